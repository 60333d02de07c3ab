"""Agents inside an editor work as workers do, on one job at a time and under the same rules.

::

    agent ── wf job next ──▶ keeper          its own process, with session, lease and checkout slot
      │          ◀── the job ──┘ │
      │                          │ beats the lease; watches the editor, the token and an idle limit
      ├── wf todo ..., finish-code (WF_JOB_TOKEN: fence, plan lock, token checked)
      └── wf job finish ──▶ check of the plan, outcome ──▶ the keeper sees its token gone, and ends

    ancestry        finds the process of the editor
    request         the request for a job: pools, time to wait, idle limit
    starting        the agent's side: starts a keeper and waits for its job
    keeper_process  the keeper's process and its pipes
    keeper          finds a job, hands it over and holds it to its end
    handover        the job in the form in which an agent gets it
    sign_of_life    the file in ``control/`` that an agent's heartbeats replace and its keeper watches
    give_back       decides when a job that was handed over has to go back
    job_in_hand     the agent's commands for its job: heartbeat, finish, fail, release
    tools           spool, queue and plan steps of a project, for all of these
    mcp_server      the commands of ``wf job`` over MCP

Guarantees:

- At most one agent has a job, because the keeper claims and starts it as a worker does. The keeper gives the job back
  when the agent's command was killed before it acknowledged the job.
- When the editor is gone, or the agent gave no sign of life for the idle limit, the keeper gives the job back, and
  kills the processes on this host that carry the attempt's mark.
- A keeper that is killed is a dead session like any other, so a reaper ends its attempt.
- The agent's own command or the keeper publishes the outcome, whichever is first. There is only one.

Not guaranteed: the agent itself cannot be stopped, because it is a part of the editor. After its attempt was ended,
its ``wf`` commands are refused with exit code 4, but its edits of files cannot be prevented.
"""
