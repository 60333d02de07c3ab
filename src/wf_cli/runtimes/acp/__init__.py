"""Agents that speak the Agent Client Protocol (agentclientprotocol.com), version 1.

::

    adapter       the worker's side: a request becomes the client's process and its job
    __main__      that process: imports the library quickly and runs the client
    client        starts the agent, runs one turn, ends it
    turn          the calls of a turn, in their order
    conversation  the handlers of one session: what the agent reports and asks
    tools         what a tool call is, from all that the agent told of it
    unasked       ends a turn in which a denied tool runs without a request
    retries       for how long a provider that refuses is worth waiting for
    logs          where agents keep what their provider answered, when they do not tell it
    transport     JSON-RPC lines, in bounded memory
    report        the lines that the client prints
    deeds         whether a turn may count as done, by these lines
    events        the worker's reader of these lines

`client` and what it imports need asyncio. They run in a process of their own, so a worker never pays for that import.
"""
