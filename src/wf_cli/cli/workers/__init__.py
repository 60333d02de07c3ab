"""Who works: ``wf worker``, ``dispatch``, ``pause``, ``job``, ``mcp``, and the live views."""
