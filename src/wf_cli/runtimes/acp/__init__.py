"""Agents that speak the Agent Client Protocol (agentclientprotocol.com), version 1.

::

    adapter       the worker's side: a request becomes the client's process and its job
    client        that process: starts the agent, runs one turn, ends it
    turn          the calls of a turn, in their order
    conversation  the handlers of one session: what the agent reports and asks
    transport     JSON-RPC lines, in bounded memory
    report        the lines that the client prints
    events        the worker's reader of these lines

Only `client`, `turn` and `conversation` import the package ``acp``. They run in a process of their own, so a worker
never pays for that import.
"""
