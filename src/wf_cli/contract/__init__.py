"""The records, names, statuses and steps that every module agrees on. No I/O; time arrives as an argument."""
