"""Looking at jobs and steering them: ``wf spool``, ``retry``, ``cancel``, ``explain``, ``logs`` and their kin."""
