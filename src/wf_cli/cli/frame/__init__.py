"""What every command stands on: arguments, options, output, errors, and the table of all commands."""
