"""Agents inside an editor as workers: one job at a time, under the same rules as every worker.

::

    agent ── wf job next ──▶ keeper          a process of its own: session, lease, checkout slot
      │          ◀── the job ──┘ │
      │                          │ beats the lease; watches the editor, the token and an idle limit
      ├── wf todo ..., finish-code (WF_JOB_TOKEN: fence, plan lock, token checked)
      └── wf job finish ──▶ check of the plan, outcome ──▶ the keeper sees its token gone, and ends

    ancestry        which process is the editor
    request         what an editor asks for
    starting        the agent's side: start a keeper, hear of a job
    keeper_process  the keeper's process and its pipes
    keeper          what the keeper does: find a job, hand it over, hold it to its end
    handover        a job as an agent gets it
    sign_of_life    the file in ``control/`` that an agent's heartbeats replace and its keeper watches
    give_back       when a job that was handed over has to go back
    job_in_hand     heartbeat, finish, fail, release: what the agent does with its job
    tools           the composition of these for a project
    mcp_server      the same over MCP

Guarantees:

- A job is with at most one agent: it is claimed and started as by any worker, and an agent that never
  heard of it (its command was killed) does not have it: the keeper gives it back unless the job was acknowledged.
- When the editor is gone, or nothing was heard of the agent for the idle limit, the job is given back, and
  what carries the attempt's mark on this host is ended.
- A keeper that is killed is a dead session like any other: a reaper ends its attempt.
- An outcome is published by the agent's own command or by the keeper, whichever is first; there is one.

What this cannot do: stop the agent itself, which is a part of the editor. After its attempt was ended its
commands are refused with exit code 4; edits that need no ``wf`` are beyond reach.
"""
