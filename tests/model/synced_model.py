#!/usr/bin/env python3
"""Explicit-state model checker for the `synced` topology (docs/explanation/synced.md).

    synced_model.py                     every configuration, then every rule taken away (must be found)
    synced_model.py NAME [...]          those configurations only             (--list names them and the rules)
    synced_model.py NAME --break RULE   the same world without one rule; prints a shortest trace
    synced_model.py --walks N           random deep walks with everything switched on, N of them
    --limit N   give up after N states of a configuration (default 1500000)   --json FILE   results for machines

Nodes have a durable local state (their spool) and publish *registers*: whole-state documents, one writer each, numbered.
The sync tool is the adversary: a reader may meet any version it has not passed yet, at any time or never; files of the
checkout (two: the plan's state and the code) are copied one by one in any order; nothing is delivered to a node that is
off. A node may crash between any two steps, come back as a new incarnation, be restored from a backup, be forgotten.

One plan with one live job, attempts numbered across all nodes. A purged job that is enqueued again counts its attempts
anew; an attempt is its number and, times 1000, which of these jobs it is of. Checked in every state:
  S1  two agents of the plan never live at the same time, on whatever nodes
  S2  an attempt is started at most once, ever
  S3  an attempt gets at most one accepted outcome, and none that says it ran if it never did
  S4  whoever writes the plan has every earlier write on its disk (so the sync tool never sees two writers)
  S5  the home ends a remote attempt only when every file that it wrote has arrived
  S6  a node that has seen its grant gone stops its agent before it says anything more
  L   from every reachable state some continuation without further faults ends the job and stops every agent
"""

import argparse, gc, json, random, sys, time
from collections import namedtuple

RULES = {
    "word": "the home ends a remote attempt only by its holder's word or the operator's (never by silence)",
    "durable-grant": "a grant is durable in the home's spool before it is published",
    "inc": "a node takes only grants made to its present incarnation",
    "boot-return": "what was waiting when a node went down is given back, never started",
    "trace": "a node that has a trace of an attempt never takes it again",
    "keep-word": "a node keeps trace and word until the home's register shows the grant gone",
    "nonce": "a job that was purged and enqueued again is another one to grants, words and traces, though attempts count anew",
    "marks": "a reader never goes back to an older register",
    "stop-first": "nothing of an attempt lives when its end is published",
    "stop-gone": "a node whose grant is gone from the home's register stops its agent",
    "grant-barrier": "a node takes a grant only when the granted files are on its disk",
    "word-barrier": "the home ends an attempt only when the files of the holder's word are on its disk",
    "fail-barrier": "... also when the attempt failed or was lost",
    "return-barrier": "... also when it was given back unstarted",
    "recall": "cancelling a remote attempt asks its holder, and ends nothing by itself",
    "owner": "a plan with an open grant is changed by nobody but the holder",
    "node-person": "a person's plan-changing command is refused on a node that is not the home",
    "forget-stamp": "forgetting a node makes the home's copy of the plan newer than anything the node wrote",
    "epoch": "only the home of the highest epoch seen is obeyed, and a lower one steps down",
    "epoch-ack": "a new home starts nothing before every other node said so in its epoch, or was forgotten",
    "ack-barrier": "... and before the files that they left behind have arrived",
    "obey-first": "a node stops what it has to stop before it publishes (its new epoch, say)",
    "epoch-base": "attempt numbers after a take begin above all numbers of the old ones",
    "restored": "a home restored from a backup does nothing until it is made home again, in a new epoch",
    "epoch-parts": "an operator's take is above all hand-overs of the epoch before",
    "cede-inc": "a hand-over is to an incarnation, as a grant is",
    "cede-idle": "a home hands over only with no attempt open",
    "cede-durable": "a home that hands over has given up, durably, before it says so",
}

# What a configuration lets happen (budgets), and how large its world is.
FAULTS = dict(
    nodes=2,
    maxa=2,  # attempts a job may burn in one epoch
    local=True,  # the home has a worker of its own (a tuple: on these nodes only)
    remote=True,  # the home grants
    files=2,
    kinds=("ok", "fail"),  # files that travel on their own; how agents end
    crashes=0,
    crashers=None,  # how often a node goes down, and which may
    backups=0,
    restorees=None,  # restored from a backup of any moment
    forgets=0,
    takes=0,
    takers=None,
    cedes=0,
    cancels=0,
    retries=0,
    renews=0,  # a job that has ended is purged, and its key enqueued again
    persons=0,
    npersons=0,
    silence=0,  # without the rule `word`: how often a home loses patience
    honest=True,  # the operator gives up only what is off
    zombie=False,  # a home given up may come back before it has synced
    undetected=False,  # nothing shows that a home was restored
    purge=False,  # nodes drop traces of what is closed
    s1=True,
    live=True,
)  # check S1 and S4; check L

S = namedtuple(
    "S", "up inc ninc tok home ep view regs agent copy wrote latest started outs bud snap restored off viol"
)
BUD = (
    "crashes",
    "backups",
    "forgets",
    "cancels",
    "retries",
    "renews",
    "takes",
    "cedes",
    "persons",
    "npersons",
    "silence",
    "restores",
)


class Cfg:
    def __init__(s, name, note, limit_expected=None, **kw):
        s.name, s.note, s.limit_expected = name, note, limit_expected
        for k, v in {**FAULTS, **kw}.items():
            setattr(s, k, v)
        s.broken = frozenset()

    def rule(s, name):
        return name not in s.broken


def put(t, i, v):
    return t[:i] + (v,) + t[i + 1 :]


def token(s, i, t):
    """The homes with node i's token replaced."""
    return put(s.home, i, s.home[i][:1] + (t,) + s.home[i][2:])


def start_state(c):
    n = c.nodes
    bud = tuple(c.backups if b == "restores" else getattr(c, b) for b in BUD)
    home = (10, ("Q", 10), frozenset(), None, True)
    return S(
        up=(True,) * n,
        inc=tuple(range(1, n + 1)),
        ninc=n + 1,
        tok=(None,) * n,
        home=put((None,) * n, 0, home),
        ep=(10,) * n,
        view=tuple(tuple(-1 for _ in range(n)) for _ in range(n)),
        regs=((),) * n,
        agent=(None,) * n,
        copy=((0, 0),) * n,
        wrote=((0, 0),) * n,
        latest=(0, 0),
        started=frozenset(),
        outs=(),
        bud=bud,
        snap=None,
        restored=(False,) * n,
        off=(False,) * n,
        viol=None,
    )


def left(s, name):
    return s.bud[BUD.index(name)]


def spend(s, name):
    k = BUD.index(name)
    return put(s.bud, k, s.bud[k] - 1)


# ---- what a node knows ------------------------------------------------------------------------------
def seen(s, i, j):
    k = s.view[i][j]
    return s.regs[j][k] if 0 <= k < len(s.regs[j]) else None


def home_register(c, s, i):
    """(node, content) of the home that node i obeys: the highest epoch among what it has read; None."""
    best = None
    for j in range(c.nodes):
        r = seen(s, i, j) if j != i else None
        if r and r[0] == "H":
            # without the rule an old home that grants something is as good as the new one
            rank = (r[1],) if c.rule("epoch") else (any(g[1] == i for g in r[3]), r[1])
            if best is None or rank > best[0]:
                best = (rank, (j, r))
    if best is None or (c.rule("epoch") and best[1][1][1] < s.ep[i]):
        return None
    return best[1]


def num(n):
    """The number by which an attempt goes in names of files. Attempts of two jobs of one key may share it."""
    return n % 1000


def same(c, n, m):
    return n == m if c.rule("nonce") else num(n) == num(m)


def before(c, n, m):
    """A node with a trace of attempt n only may take attempt m."""
    return num(n) < num(m) or (c.rule("nonce") and n // 1000 != m // 1000)


def grant_in(c, reg, n, i):
    for g in reg[3]:
        if same(c, g[0], n) and g[1] == i:
            return g
    return None


# An epoch is a number: ten times the operator's part (take) plus the hand-overs since (cede). Attempts are numbered
# from ten times the operator's part: 11, 12, ... in epochs 10, 11, ...; 21, ... from epoch 20 on.
def base(epoch):
    return epoch // 10 * 10


# Contents: ("H", epoch, inc, grants ((n, node, inc, recall, manifest),), forgotten, cede)
#           ("N", epoch said, inc, words ((n, kind, manifest),), manifest when the epoch is not the first)
def register(c, s, i):
    if s.home[i]:
        epoch, t, forgotten, cede, _ = s.home[i]
        grants = ((t[1], t[2][0], t[2][1], t[3], t[4]),) if t[0] == "R" and t[2][0] != "L" else ()
        return ("H", epoch, s.inc[i], grants, forgotten, cede)
    words = []
    hr = home_register(c, s, i)
    t = s.tok[i]
    if hr:
        for n, j, inc, rec, man in hr[1][3]:
            if j != i:
                continue
            if t and same(c, t[1], n):
                if t[0] == "e":
                    words.append((n, t[2], s.wrote[i]))
                elif t[0] == "r" and not c.rule("stop-first") and t[2:] == ("ending",):
                    words.append((n, "fail", s.wrote[i]))
            elif (inc != s.inc[i] or rec) and (t is None or before(c, t[1], n)):
                words.append((n, "ret", s.wrote[i]))
    return ("N", s.ep[i], s.inc[i], tuple(words), s.wrote[i] if base(s.ep[i]) > 10 else None)


def writes(c, s, i, f):
    """Node i writes file f: 0 the plan's state, 1 the code."""
    f = min(f, c.files - 1)
    if s.copy[i] != s.latest and c.s1:
        s = s._replace(viol=s.viol or f"S4: node {i} writes the plan without having every earlier write")
    new = max(s.latest[f], s.copy[i][f]) + 1
    return s._replace(
        copy=put(s.copy, i, put(s.copy[i], f, new)),
        wrote=put(s.wrote, i, put(s.wrote[i], f, new)),
        latest=put(s.latest, f, new),
    )


def starts(c, s, i, n):
    others = [j for j in range(c.nodes) if s.agent[j] is not None and j != i]
    if others and c.s1:
        s = s._replace(
            viol=s.viol
            or f"S1: attempt {n} starts on node {i} while attempt {s.agent[others[0]]} lives on node {others[0]}"
        )
    if n in s.started:
        s = s._replace(viol=s.viol or f"S2: attempt {n} is started a second time, on node {i}")
    s = s._replace(started=s.started | {n}, agent=put(s.agent, i, n))
    return writes(c, s, i, 0)


def finish(c, s, i, n, kind, recall=False):
    """The home's token after an attempt."""
    for m, k in s.outs:
        if m == n and k != kind:
            s = s._replace(viol=s.viol or f"S3: attempt {n} is accepted as {k} and as {kind}")
    if kind in ("ok", "fail") and n not in s.started:
        s = s._replace(viol=s.viol or f"S3: attempt {n} is accepted as {kind} and was never started")
    epoch, t, forgotten, _, _ = s.home[i]
    if kind == "ok" or recall:
        t2 = ("D", n)
    else:
        t2 = ("Q", n) if num(n) - base(epoch) < c.maxa else ("X", n)
    outs = s.outs if (n, kind) in s.outs else s.outs + ((n, kind),)
    return s._replace(home=token(s, i, t2), outs=outs)


def active(c, s, i):
    """Home i may begin attempts."""
    h = s.home[i]
    if not h or h[3] or not h[4] or (s.restored[i] and c.rule("restored") and not c.undetected):
        return False
    return h[0] >= s.ep[i] or not c.rule("epoch")


def may_begin(c, s, i):
    """A new home has heard all others in its epoch, and what they left behind has arrived."""
    epoch, _, forgotten, _, _ = s.home[i]
    for j in range(c.nodes):
        if j != i and j not in forgotten and c.rule("epoch-ack"):
            r = seen(s, i, j)
            if not r or r[1] < epoch or any(a < b for a, b in zip(s.copy[i], r[4] or ())) and c.rule("ack-barrier"):
                return False
    return True


# ---- the steps --------------------------------------------------------------------------------------
def succ(c, s):
    out = []
    add = lambda label, t: out.append((label, t))
    N = range(c.nodes)
    R = c.rule
    for i in N:
        if not s.up[i]:
            if s.off[i] and s.home[i] and not c.zombie:
                # a home that was given up comes back only once it has synced (the operator's part of the bargain)
                v = tuple(len(s.regs[j]) - 1 if j != i else -1 for j in N)
                ep = max(
                    [s.ep[i]] + [s.regs[j][v[j]][1] for j in N if j != i and v[j] >= 0 and s.regs[j][v[j]][0] == "H"]
                )
                if ep > s.home[i][0]:
                    add(
                        f"node {i} comes back, having synced first",
                        boot(
                            c,
                            s._replace(
                                view=put(s.view, i, v),
                                ep=put(s.ep, i, ep),
                                off=put(s.off, i, False),
                                home=put(s.home, i, None),
                            ),
                            i,
                        ),
                    )
            else:
                add(f"node {i} comes back as a new incarnation", boot(c, s, i))
            if s.snap and s.snap[0] == i and left(s, "restores"):
                _, tok, home, ep, view = s.snap
                t = s._replace(
                    tok=put(s.tok, i, tok),
                    home=put(s.home, i, home),
                    ep=put(s.ep, i, ep),
                    view=put(s.view, i, view),
                    restored=put(s.restored, i, True),
                    bud=spend(s, "restores"),
                )
                add(f"node {i} is restored from its backup", boot(c, t, i))
            continue
        # -- faults
        if left(s, "crashes") and (c.crashers is None or i in c.crashers):
            add(
                f"node {i} goes down",
                s._replace(up=put(s.up, i, False), agent=put(s.agent, i, None), bud=spend(s, "crashes")),
            )
        if left(s, "backups") and s.snap is None and (c.restorees is None or i in c.restorees):
            add(
                f"node {i} is backed up",
                s._replace(snap=(i, s.tok[i], s.home[i], s.ep[i], s.view[i]), bud=spend(s, "backups")),
            )
        # -- the sync tool: registers
        for j in N:
            if j == i:
                continue
            low = s.view[i][j] + 1 if R("marks") else 0
            for k in range(low, len(s.regs[j])):
                if k != s.view[i][j] and matters(c, s, i, s.regs[j][k]):
                    add(f"node {i} reads register {k} of node {j}: {show(s.regs[j][k])}", reads(c, s, i, j, k))
        # -- the sync tool: files
        for j in N:
            if j != i and s.up[j]:
                for f in range(c.files):
                    if s.copy[j][f] > s.copy[i][f]:
                        add(
                            f"file {'state code'.split()[f]} arrives on node {i} from node {j}",
                            s._replace(copy=put(s.copy, i, put(s.copy[i], f, s.copy[j][f]))),
                        )
        # -- publishing
        w = published(c, s, i)
        if w is not s:
            add(f"node {i} publishes {show(w.regs[i][-1])}", w)
        if s.home[i]:
            home_steps(c, s, i, add)
        else:
            node_steps(c, s, i, add)
        if left(s, "takes") and not s.home[i] and (c.takers is None or i in c.takers):
            old = [j for j in N if s.home[j]]
            gone = sorted({*old, *(j for j in N if not s.up[j])})
            add(
                f"operator switches off node {old} and makes node {i} the home, without {gone}",
                take(c, s, i, frozenset(gone)),
            )
        if left(s, "takes") and s.home[i] and s.restored[i]:
            add(f"operator makes the restored node {i} the home again", take(c, s, i, frozenset()))
        if left(s, "npersons") and not s.home[i] and not R("node-person"):
            add(f"a person on node {i} changes the plan", writes(c, s._replace(bud=spend(s, "npersons")), i, 0))
    return out


def matters(c, s, i, r):
    """Nodes need nothing of one another, only of homes; a home needs nothing of a home but a higher epoch."""
    if s.home[i]:
        return r[0] == "N" or r[1] > s.home[i][0] or not c.rule("epoch")
    return r[0] == "H"


def published(c, s, i):
    """The state after node i wrote its register, if that says something new."""
    if not s.up[i]:
        return s
    if lives_on(c, s, i):
        if c.rule("obey-first") and c.rule("stop-gone"):
            return s  # it obeys what it has read before it says more
        if s.agent[i] is not None and not c.rule("stop-gone"):
            return s._replace(
                viol=s.viol or f"S6: node {i} goes on with attempt {s.agent[i]} although it saw its grant gone"
            )
    r = register(c, s, i)
    if s.regs[i] and s.regs[i][-1] == r:
        return s
    return s._replace(regs=put(s.regs, i, s.regs[i] + (r,)))


def settle(c, s):
    """A reduction without loss: who cannot go down before it publishes might as well publish at once (readers may be late)."""
    for i in range(c.nodes):
        if left(s, "crashes") == 0 or (c.crashers is not None and i not in c.crashers):
            s = published(c, s, i)
    return s


def lives_on(c, s, i):
    """Node i has seen that the grant of what it works on is gone, and has not stopped it yet."""
    t, hr = s.tok[i], home_register(c, s, i)
    return bool(t and t[0] in "qr" and hr and not grant_in(c, hr[1], t[1], i))


def reads(c, s, i, j, k):
    s = s._replace(view=put(s.view, i, put(s.view[i], j, k)))
    r = s.regs[j][k]
    if r[0] == "H" and r[1] > s.ep[i]:
        s = s._replace(ep=put(s.ep, i, r[1]))
        if s.home[i] and s.home[i][0] < r[1] and c.rule("epoch"):  # a zombie home: it stops its agents and steps down
            s = s._replace(home=put(s.home, i, None), agent=put(s.agent, i, None))
    return s


def boot(c, s, i):
    t = s.tok[i]
    if t and t[0] == "q" and c.rule("boot-return"):
        t = ("e", t[1], "ret")
    elif t and t[0] == "r":
        t = ("e", t[1], "lost")
    s = s._replace(up=put(s.up, i, True), inc=put(s.inc, i, s.ninc), ninc=s.ninc + 1, tok=put(s.tok, i, t))
    h = s.home[i]
    if h and h[1][0] == "R" and h[1][2][0] == "L" and not (s.restored[i] and c.rule("restored") and not c.undetected):
        s = finish(c, s, i, h[1][1], "lost")
    return s


def take(c, s, i, old):
    epoch = base(s.ep[i]) + 10 if c.rule("epoch-parts") else s.ep[i] + 1
    first = base(epoch) if c.rule("epoch-base") else 10
    first += s.home[i][1][1] // 1000 * 1000 if s.home[i] else 0
    t = s.tok[i]
    if t and t[0] in "qr":
        t = ("e", t[1], "rel")
    s = s._replace(
        ep=put(s.ep, i, epoch),
        tok=put(s.tok, i, t),
        agent=put(s.agent, i, None),
        home=put(s.home, i, (epoch, ("Q", first), old, None, False)),
        bud=spend(s, "takes"),
        restored=put(s.restored, i, False),
    )
    for j in old:
        if c.honest:
            s = s._replace(up=put(s.up, j, False), agent=put(s.agent, j, None))
        s = s._replace(off=put(s.off, j, not s.up[j]))
    return s


def stamp(c, s, i):
    """The plan's files on node i become newer than all that anybody wrote."""
    if not c.rule("forget-stamp"):
        return s
    new = tuple(x + (f < c.files) for f, x in enumerate(s.latest))
    return s._replace(copy=put(s.copy, i, new), latest=new)


def home_steps(c, s, i, add):
    R = c.rule
    epoch, t, forgotten, cede, begun = s.home[i]
    if cede and cede[0] not in forgotten:
        r = seen(s, i, cede[0])
        if (
            r and r[0] == "N" and r[1] >= epoch and r[2] != cede[3]
        ):  # it went down before it took over: its next incarnation says so
            add(
                f"home {i} hands over to node {cede[0]} again",
                s._replace(home=put(s.home, i, (epoch, t, forgotten, cede[:3] + (r[2],), True))),
            )
    if cede or (s.restored[i] and R("restored") and not c.undetected):
        return  # handed over, or restored: it does nothing
    if not begun and may_begin(c, s, i):
        w = stamp(c, s._replace(home=put(s.home, i, (epoch, t, forgotten, None, True))), i)
        late = [
            j
            for j in range(c.nodes)
            if j != i and j not in forgotten and any(a < b for a, b in zip(s.copy[i], s.wrote[j]))
        ]
        if late and c.s1:
            w = w._replace(viol=w.viol or f"S5: home {i} begins its epoch before the files of node {late[0]} arrived")
        add(f"home {i} begins its epoch {epoch}", w)
    go = active(c, s, i)
    if go and t[0] == "Q":
        for j in range(c.nodes):
            r = seen(s, i, j) if j != i else None
            if r and r[0] == "N" and j not in forgotten and r[1] >= epoch and c.remote:
                tok = ("R", t[1] + 1, (j, r[2]), False, s.copy[i])
                if R("durable-grant"):
                    add(f"home {i} grants attempt {t[1] + 1} to node {j}", s._replace(home=token(s, i, tok)))
                else:  # published first, lost if it crashes now
                    t2 = s._replace(home=token(s, i, tok))
                    pub = s._replace(regs=put(s.regs, i, s.regs[i] + (register(c, t2, i),)))
                    add(f"home {i} publishes the grant of attempt {t[1] + 1} to node {j}, not yet durable", pub)
                    add(f"home {i} grants attempt {t[1] + 1} to node {j}", t2)
        if (c.local is True or c.local and i in c.local) and s.agent[i] is None:
            tok = ("R", t[1] + 1, ("L", s.inc[i]), False, None)
            add(
                f"home {i} starts attempt {t[1] + 1} itself",
                starts(c, s._replace(home=token(s, i, tok)), i, t[1] + 1),
            )
    if t[0] == "R" and t[2][0] == "L" and s.agent[i] == t[1]:
        for kind in c.kinds:
            w = writes(c, s, i, 1)._replace(agent=put(s.agent, i, None))
            add(f"home {i}'s own attempt {t[1]} ends: {kind}", finish(c, w, i, t[1], kind))
    if t[0] == "R" and t[2][0] != "L":
        n, (j, inc), recall = t[1], t[2], t[3]
        r = seen(s, i, j)
        for m, kind, man in r[3] if r and r[0] == "N" else ():
            if not same(c, m, n):
                continue
            need = R("word-barrier")
            if kind in ("fail", "lost", "canc", "rel") and not R("fail-barrier"):
                need = False
            if kind == "ret" and not R("return-barrier"):
                need = False
            if need and any(a < b for a, b in zip(s.copy[i], man)):
                continue
            w = s
            if s.copy[i] != s.latest:
                w = w._replace(
                    viol=w.viol or f"S5: attempt {n} is ended ({kind}) before the files of node {j} arrived"
                )
            add(
                f"home {i} ends attempt {n} by the word of node {j}: {kind}",
                finish(c, w, i, n, kind, recall and kind != "ok"),
            )
        if not R("word") and left(s, "silence"):
            add(
                f"home {i} takes attempt {n} of the silent node {j} for lost",
                finish(c, s._replace(bud=spend(s, "silence")), i, n, "lost"),
            )
        if left(s, "cancels"):
            if R("recall"):
                if not recall:
                    add(
                        f"operator cancels attempt {n}: recalled",
                        s._replace(home=token(s, i, t[:3] + (True,) + t[4:]), bud=spend(s, "cancels")),
                    )
            else:
                add(
                    f"operator cancels attempt {n}: ended",
                    finish(c, s._replace(bud=spend(s, "cancels")), i, n, "canc", True),
                )
        if left(s, "persons") and not R("owner"):
            add(f"a person on home {i} changes the plan", writes(c, s._replace(bud=spend(s, "persons")), i, 0))
    if left(s, "retries") and t[0] in "DX" and num(t[1]) - base(epoch) < c.maxa and go:
        add("operator retries the job", s._replace(home=token(s, i, ("Q", t[1])), bud=spend(s, "retries")))
    if left(s, "renews") and t[0] in "DX" and go:
        again = base(epoch) + 1000 * (c.renews - left(s, "renews") + 1)
        add(
            "operator purges the job and enqueues it again",
            s._replace(home=token(s, i, ("Q", again)), bud=spend(s, "renews")),
        )
    if left(s, "persons") and t[0] in "QDX" and s.agent[i] is None and go:
        add(f"a person on home {i} changes the plan", writes(c, s._replace(bud=spend(s, "persons")), i, 0))
    if left(s, "forgets"):
        for j in range(c.nodes):
            if j != i and j not in forgotten and (not s.up[j] or not c.honest):
                w = s._replace(
                    home=put(s.home, i, (epoch, t, forgotten | {j}, None, begun)),
                    bud=spend(s, "forgets"),
                    off=put(s.off, j, True),
                )
                if t[0] == "R" and t[2][0] == j:
                    w = finish(c, w, i, t[1], "lost")
                    w = stamp(c, w, i)
                add(f"operator forgets node {j}" + (f", which held attempt {t[1]}" if w.outs != s.outs else ""), w)
    if left(s, "cedes") and go and (t[0] != "R" or not R("cede-idle")):
        for j in range(c.nodes):
            r = seen(s, i, j) if j != i else None
            if r and r[0] == "N" and j not in forgotten:
                w = s._replace(
                    home=put(s.home, i, (epoch, t, forgotten, (j, t, s.copy[i], r[2]), True)), bud=spend(s, "cedes")
                )
                if R("cede-durable"):
                    add(f"home {i} hands over to node {j}", w)
                else:
                    add(
                        f"home {i} says that it hands over to node {j}, and has not written that down",
                        s._replace(regs=put(s.regs, i, s.regs[i] + (register(c, w, i),)), bud=w.bud),
                    )


def node_steps(c, s, i, add):
    R = c.rule
    t = s.tok[i]
    hr = home_register(c, s, i)
    if (
        hr
        and hr[1][5]
        and hr[1][5][0] == i
        and hr[1][1] == s.ep[i]
        and not (t and t[0] in "qr")
        and (hr[1][5][3] == s.inc[i] or not R("cede-inc"))
    ):
        _, tok, man, _ = hr[1][5]
        if all(a >= b for a, b in zip(s.copy[i], man)):
            epoch = hr[1][1] + 1
            state = tok[:2] if tok[0] in "QDX" else ("Q", tok[1])
            add(
                f"node {i} takes over as home of epoch {epoch}",
                s._replace(
                    ep=put(s.ep, i, epoch),
                    tok=put(s.tok, i, None),
                    home=put(s.home, i, (epoch, state, hr[1][4], None, True)),
                ),
            )
    if hr:
        for n, j, inc, rec, man in hr[1][3]:
            if j != i or rec or (hr[1][1] < s.ep[i] and R("epoch")) or i in hr[1][4]:
                continue
            fresh = t is None or (t[0] == "e" and before(c, t[1], n)) or (not R("trace") and t[0] == "e")
            ok_inc = inc == s.inc[i] or not R("inc")
            if fresh and ok_inc and (not R("grant-barrier") or all(a >= b for a, b in zip(s.copy[i], man))):
                add(
                    f"node {i} takes the grant of attempt {n} into its spool", s._replace(tok=put(s.tok, i, ("q", n)))
                )
    if t and t[0] in "qr":
        n = t[1]
        g = grant_in(c, hr[1], n, i) if hr else None
        if t[0] == "q" and g and not g[3]:
            add(f"node {i} starts attempt {n}", starts(c, s._replace(tok=put(s.tok, i, ("r", n))), i, n))
        if t[0] == "r" and s.agent[i] == n:
            for kind in c.kinds:
                w = writes(c, s, i, 1)
                add(
                    f"attempt {n} ends on node {i}: {kind}",
                    w._replace(agent=put(s.agent, i, None), tok=put(s.tok, i, ("e", n, kind))),
                )
            if not R("stop-first") and t[2:] != ("ending",):
                add(
                    f"node {i} will say that attempt {n} failed, its agent still lives",
                    s._replace(tok=put(s.tok, i, ("r", n, "ending"))),
                )
        # The stop comes in the same step as the reading (see `normal`); here only for a view that lost its home.
        if g and g[3]:
            add(
                f"node {i} stops attempt {n}: recalled",
                s._replace(agent=put(s.agent, i, None), tok=put(s.tok, i, ("e", n, "canc"))),
            )
        if hr and not g and R("stop-gone"):
            add(
                f"node {i} stops attempt {n}: its grant is gone",
                s._replace(agent=put(s.agent, i, None), tok=put(s.tok, i, ("e", n, "rel"))),
            )
    if t and t[0] == "e" and c.purge:
        gone = hr and grant_in(c, hr[1], t[1], i) is None
        said = (
            s.regs[i] and any(w[0] == t[1] for w in s.regs[i][-1][3])
            if s.regs[i] and s.regs[i][-1][0] == "N"
            else False
        )
        if gone or (said and not R("keep-word")):
            add(f"node {i} drops its trace of attempt {t[1]}", s._replace(tok=put(s.tok, i, None)))


def show(r):
    if r[0] == "H":
        g = (
            ", ".join(f"attempt {n} to node {j}/{inc}{' recalled' if rec else ''}" for n, j, inc, rec, _ in r[3])
            or "no grant"
        )
        return f"[home, epoch {r[1]}: {g}{', forgot ' + str(sorted(r[4])) if r[4] else ''}{', hands over to ' + str(r[5][0]) if r[5] else ''}]"
    return (
        f"[epoch {r[1]}, incarnation {r[2]}: "
        + (", ".join(f"attempt {n} {k}" for n, k, _ in r[3]) or "nothing to say")
        + "]"
    )


def settled(c, s):
    """Nothing lives, and the home that counts has the job finished (or dead)."""
    if any(a is not None for a in s.agent):
        return False
    homes = [h for h in s.home if h]
    if not homes:
        return False
    top = max(homes, key=lambda h: (h[0], not h[3]))
    return top[1][0] in "DX"


def canon(c, s):
    """Registers that nobody can meet any more are cut off; the rest is renumbered."""
    s = settle(c, s)
    if not c.rule("marks") or s.snap or left(s, "backups"):
        return s
    maybe = [
        bool(s.home[i])
        or (left(s, "takes") and (c.takers is None or i in c.takers))
        or left(s, "cedes") > 0
        or (s.regs[i] and any(r[0] == "H" and r[5] for q in s.regs for r in q))
        for i in range(c.nodes)
    ]
    regs, views = list(s.regs), [list(v) for v in s.view]
    for j in range(c.nodes):
        readers = [
            i for i in range(c.nodes) if i != j and (maybe[i] or maybe[j] or any(r[0] == "H" for r in regs[j]))
        ]
        if not readers:
            regs[j] = regs[j][-1:]
            continue
        low = min(views[i][j] for i in readers)
        if low > 0:
            regs[j] = regs[j][low:]
            for i in readers:
                views[i][j] -= low
    return s._replace(regs=tuple(regs), view=tuple(tuple(v) for v in views))


# ---- checking ---------------------------------------------------------------------------------------
def check(c, limit):
    first = canon(c, start_state(c))
    ids, states, parent = {first: 0}, [first], [(-1, "")]
    preds = [[]]
    goal = []
    steps = i = 0
    t0 = time.time()
    while i < len(states):
        s = states[i]
        if settled(c, s):
            goal.append(i)
        for label, t in succ(c, s):
            steps += 1
            t = canon(c, t)
            if t.viol:
                return dict(
                    verdict=t.viol,
                    states=len(states),
                    steps=steps,
                    trace=trace(parent, i) + [label],
                    seconds=time.time() - t0,
                )
            k = ids.get(t)
            if k is None:
                k = len(states)
                ids[t] = k
                states.append(t)
                parent.append((i, label))
                preds.append([])
            # a step that spends a fault does not count for liveness
            if t.bud == s.bud or label.startswith("operator"):
                preds[k].append(i)
        i += 1
        if len(states) > limit:
            return dict(verdict="limit reached", states=len(states), steps=steps, trace=[], seconds=time.time() - t0)
    ok = bytearray(len(states))
    todo = list(goal)
    for g in goal:
        ok[g] = 1
    while todo:
        for p in preds[todo.pop()]:
            if not ok[p]:
                ok[p] = 1
                todo.append(p)
    if all(ok) or not c.live:
        return dict(verdict="holds", states=len(states), steps=steps, trace=[], seconds=time.time() - t0)
    bad = ok.index(0)
    return dict(
        verdict="L: no way to the end of the job",
        states=len(states),
        steps=steps,
        trace=trace(parent, bad),
        seconds=time.time() - t0,
    )


def trace(parent, i):
    out = []
    while i > 0:
        i, label = parent[i]
        out.append(label)
    return out[::-1]


def walks(c, count, length, seed):
    """Random walks; returns (steps, verdict, trace)."""
    total, ends = 0, 0
    for w in range(count):
        rng = random.Random(seed + w)
        s, tr = start_state(c), []
        for _ in range(length):
            nxt = succ(c, s)
            if not nxt:
                break
            label, s = rng.choice(nxt)
            tr.append(label)
            total += 1
            if s.viol:
                return total, ends, s.viol, tr
            if settled(c, s) and rng.random() < 0.03:
                ends += 1
                break
    return total, ends, "holds", []


CASES = [
    Cfg("two", "a home with its own worker, one node; each may go down", maxa=2, crashes=2),
    Cfg("two-long", "three attempts, two crashes, traces dropped", maxa=3, crashes=2, purge=True),
    Cfg(
        "forget",
        "the operator gives up a node that is off; it comes back later",
        maxa=2,
        crashes=2,
        forgets=1,
        purge=True,
    ),
    Cfg("cancel", "cancel and retry of remote attempts", maxa=2, crashes=1, cancels=1, retries=1),
    Cfg("purge", "nodes drop what is closed", maxa=2, crashes=1, purge=True),
    Cfg("renew", "a job that has ended is purged, and its key enqueued again", maxa=2, renews=1),
    Cfg(
        "renew-restore",
        "the same, with a node that is restored from a backup of any earlier moment",
        maxa=1,
        crashes=1,
        renews=1,
        backups=1,
        restorees=(1,),
        crashers=(1,),
        files=1,
        purge=True,
    ),
    Cfg("persons", "people change the plan on the home", maxa=2, crashes=1, persons=1, npersons=1),
    Cfg(
        "restore-node",
        "a node is restored from a backup of any earlier moment",
        maxa=2,
        crashes=1,
        backups=1,
        restorees=(1,),
        crashers=(1,),
        purge=True,
    ),
    Cfg("three", "a home without workers, two nodes", nodes=3, maxa=2, local=False, crashes=0, files=1),
    Cfg(
        "three-forget",
        "two nodes, one is given up",
        nodes=3,
        maxa=2,
        local=False,
        crashes=1,
        forgets=1,
        crashers=(1,),
        files=1,
    ),
    Cfg(
        "take",
        "the home is off for good; a node becomes the home",
        nodes=3,
        maxa=1,
        crashes=0,
        takes=1,
        takers=(2,),
        files=1,
        local=(2,),
    ),
    Cfg(
        "restore-home",
        "the home is restored from a backup and made home again",
        nodes=2,
        maxa=1,
        crashes=1,
        backups=1,
        takes=1,
        restorees=(0,),
        crashers=(0,),
        takers=(),
        files=1,
    ),
    Cfg("cede", "the home hands over to a node", nodes=2, maxa=2, crashes=1, cedes=1),
    Cfg(
        "cede-take",
        "a hand-over, and an operator who makes another node the home",
        nodes=3,
        maxa=1,
        crashes=1,
        cedes=1,
        takes=1,
        takers=(2,),
        crashers=(1,),
        files=1,
        remote=False,
        local=(1, 2),
        kinds=("ok",),
        live=False,
    ),
    Cfg(
        "lying", "the operator gives up a node that is at work", maxa=2, crashes=0, forgets=1, honest=False, s1=False
    ),
    Cfg("silent", "a node may be silent for any time", maxa=2, crashes=0, silence=1),
]
#: What is not promised: the checker shows why.
LIMITS = [
    Cfg(
        "limit-zombie-home",
        "a home given up comes back before it has synced",
        limit_expected="S",
        nodes=2,
        maxa=1,
        crashes=0,
        takes=1,
        zombie=True,
    ),
    Cfg(
        "limit-image",
        "a home restored with nothing to show it (disk image), not made home again",
        limit_expected="S",
        nodes=2,
        maxa=2,
        crashes=1,
        backups=1,
        restorees=(0,),
        crashers=(0,),
        undetected=True,
    ),
    Cfg(
        "limit-lying",
        "the operator gives up a node that is at work: two agents",
        limit_expected="S",
        maxa=2,
        crashes=0,
        forgets=1,
        honest=False,
    ),
]
#: Larger worlds, by name or with --deep (minutes).
DEEP = [
    Cfg("deep-three", "three nodes with workers, three attempts", nodes=3, maxa=3, crashes=1, crashers=(1,), files=1),
    Cfg(
        "deep-cancel",
        "cancel and retry, three attempts, two crashes, traces dropped",
        maxa=3,
        crashes=2,
        cancels=1,
        retries=1,
        purge=True,
    ),
]
#: Where each rule's absence must show.
BREAKS = {
    "word": "silent",
    "durable-grant": "two",
    "inc": "restore-node",
    "boot-return": "restore-node",
    "trace": "two",
    "keep-word": "purge",
    "nonce": "renew",
    "marks": "purge",
    "stop-first": "two",
    "stop-gone": "lying",
    "grant-barrier": "two-long",
    "word-barrier": "two",
    "fail-barrier": "two",
    "return-barrier": "restore-node",
    "recall": "cancel",
    "owner": "persons",
    "node-person": "persons",
    "forget-stamp": "forget",
    "epoch": "take",
    "epoch-ack": "take",
    "ack-barrier": "take",
    "obey-first": "take",
    "epoch-base": "restore-home",
    "restored": "restore-home",
    "epoch-parts": "cede-take",
    "cede-inc": "cede-take",
    "cede-idle": "cede",
    "cede-durable": "cede",
}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*")
    ap.add_argument("--break", dest="broken", action="append", default=[])
    ap.add_argument("--limit", type=int, default=1500000)
    ap.add_argument("--walks", type=int, default=0)
    ap.add_argument("--length", type=int, default=400)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--deep", action="store_true", help="the larger configurations too")
    ap.add_argument("--json")
    a = ap.parse_args()
    gc.disable()
    byname = {c.name: c for c in CASES + LIMITS + DEEP}
    if a.list:
        for c in CASES + LIMITS + DEEP:
            print(f"{c.name:18} {c.note}")
        print()
        for r, text in RULES.items():
            print(f"{r:15} {text}  (shown by {BREAKS[r]})")
        return 0
    for r in a.broken:
        if r not in RULES:
            sys.exit(f"no rule {r}; --list names them")
    results, bad = [], 0

    def one(c, broken, expect):
        nonlocal bad
        c.broken = frozenset(broken)
        gc.collect()
        r = check(c, a.limit)
        fine = (
            (r["verdict"] == "holds")
            if expect == "holds"
            else (
                r["verdict"].startswith(expect) if expect != "any" else r["verdict"] not in ("holds", "limit reached")
            )
        )
        bad += not fine
        what = c.name + "".join(f" without {b}" for b in broken)
        print(
            f"{'ok ' if fine else 'BAD'} {what:38} {r['states']:>9,} states {r['steps']:>10,} steps {r['seconds']:6.1f} s  {r['verdict']}"
            + (f"  ({len(r['trace'])} steps)" if r["trace"] else ""),
            flush=True,
        )
        results.append(dict(config=c.name, broken=list(broken), **r))
        return r

    if a.names:
        for name in a.names:
            c = byname[name]
            r = one(c, a.broken, "any" if a.broken else (c.limit_expected or "holds"))
            for k, label in enumerate(r["trace"], 1):
                print(f"    {k:2} {label}")
    elif a.broken:
        for b in a.broken:
            r = one(byname[BREAKS[b]], [b], "any")
            for k, label in enumerate(r["trace"], 1):
                print(f"    {k:2} {label}")
    elif not a.walks:
        for c in CASES + (DEEP if a.deep else []):
            one(c, [], "holds")
        for c in LIMITS:
            one(c, [], c.limit_expected)
        for b, name in BREAKS.items():
            one(byname[name], [b], "any")
    if a.walks:
        c = Cfg(
            "walks",
            "everything on, three nodes",
            nodes=3,
            maxa=8,
            crashes=8,
            backups=1,
            forgets=1,
            cancels=3,
            retries=6,
            renews=2,
            takes=1,
            cedes=1,
            persons=4,
            purge=True,
            restorees=(1, 2),
        )
        c.broken = frozenset(a.broken)
        t0 = time.time()
        total, ends, verdict, tr = walks(c, a.walks, a.length, a.seed)
        print(
            f"walks: {a.walks} from seed {a.seed}, {total:,} steps, {ends} ended, {time.time() - t0:.0f} s: {verdict}"
        )
        for k, label in enumerate(tr, 1):
            print(f"    {k:2} {label}")
        bad += (verdict != "holds") != bool(a.broken)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
