"""The command-driven flow: plans, epics, todo items, models, templates.

These commands keep the names, files, JSON and exit codes of the earlier TypeScript tool.
"""
