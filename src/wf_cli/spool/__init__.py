"""The spool: a queue that is a folder (docs/explanation/spool-protocol.md).

Overview. A job's spec lies in ``jobs/`` for good and reserves its key. Its token, one file whose name
carries everything that changes, lies in the directory of its status. A transition is one rename of a
uniquely named source. An attempt begins with one rename (claim) and ends with one link (the outcome);
these two exclusive operations carry the whole safety argument. Where a token goes after an outcome is a
pure function of both, so anyone can finish the step: worker, reaper, operator, in any number and order.

What each module is for::

    layout      the folder: directories, VERSION, creation, syncing
    place       which mounts can carry a spool; synced: folders that a sync service replicates
    change      another topology for a spool that exists
    enqueue     stage, reserve, admit; sweeping of what a dead enqueuer left
    attempt     claim, start, outcome, roll forward
    operate     cancel, hold, retry, re-route, gc
    scan        listing tokens, finding one; ready: what may be claimed next, in memory
    whereabouts  where a job is by the names that it can have, without a listing
    unchanged   whether a folder is as it was at the last listing
    lease       a session's lockfile and heartbeat
    started     the start as an exclusive link, where listings can be old
    exits       how an agent ended, kept by its launcher until the outcome is published
    predecessors  the agents of a job's earlier attempts that may still live
    judgement   the published verdict that a session is gone
    patience    how long an unreadable file is waited for before work goes on without it
    suspicion   which jobs a repair may repair where listings can be old
    session     what a session is and runs, in one file with one writer
    liveness    is a session alive? by proof, or by watching its lease
    shortest_lease  how long a lease has to last on the mount
    control     pause, drain, cool-down; elapsed: how old such a request is, whatever the wall clocks say
    verify      every state a crash can leave, and its repair; foreign: files that no wf wrote
    census      the tokens of all jobs at one look; contents: what files hold, against their names
    keys        keys whose files do not fit together: mended, or freed; remains: a job's files besides spec and tokens
    quarantine  where foreign and damaged files are put away
    retention   what is removed for good, and when
    packs       many finished jobs in one file each; packing: from loose files to packs, and back
    old_logs    logs of events that nobody has written for long
    records     reading specs and outcomes; late: results of superseded attempts
    troubles    how a loop over foreign things goes on after a bad one
    watch       wake-ups: by inotify on Linux, by watchdogs elsewhere
    notified    what was told already, by exclusive link

Assumptions: one file system holds the whole folder; rename and link in it are atomic and have one
winner; hard links exist. Not assumed: that clocks agree, that return codes tell the truth, that a
lookup is fresh, that files are what wf wrote, that anything is flushed before it was synced.

Guarantees and their limits: at most one session starts an agent for one attempt, and at most one
outcome of it is accepted, whatever dies or pauses when. Exclusive *execution* after a lease expired on
another host is not promised (no file system can): the superseded one cannot commit or change a plan.
"""
