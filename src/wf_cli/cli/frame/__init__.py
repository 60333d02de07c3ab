"""The parts that all commands share: arguments, options, output, errors, and the table of commands."""
