"""The commands that show and steer jobs: ``wf spool``, ``retry``, ``cancel``, ``explain``, ``logs`` and others."""
