"""The set-up of a project: wf.config and ``wf doctor``."""
