"""The command-driven flow: plans, epics, todo, evidence and review, as files under ``plans/`` and ``epics/``."""
