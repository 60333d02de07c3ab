"""Commands that run and steer workers (``wf worker``, ``dispatch``, ``pause``, ``job``, ``mcp``), and live views."""
