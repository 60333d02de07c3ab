"""What everybody agrees on: records, names, statuses. Does no I/O; time arrives as an argument."""
