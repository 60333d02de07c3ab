"""Plans, epics, todo, evidence, review: the command-driven flow (files under ``plans/`` and ``epics/``)."""
