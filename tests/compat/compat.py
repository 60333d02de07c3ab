#!/usr/bin/env python3
"""Differential compatibility harness for the command-driven `wf` flow.

The same scenarios (data: scenarios_*.json next to this file) are executed by a
command under test in throw-away git repositories.  After every command the
exit code, the JSON printed on each stream and the change of the file tree are
normalised.  `record` stores the normalised results of a reference command as
golden files; `check` replays them against another command and compares.

    compat.py check  --wf "wf"                 compare a command with golden/
    compat.py check  --wf "python3 -m wf" --only 'epic_*'
    compat.py record --wf "<reference command>"   (re)write golden/
    compat.py selfcheck --wf "<reference command>"  run twice, prove determinism
    compat.py show NAME --wf "wf"              print the normalised result
    compat.py list                             names, groups and sets

Only the Python standard library is used.  POSIX only.
Exit status of `check`: 0 when every executed scenario agrees, 1 otherwise,
2 for usage errors.

Groups: 'base' (distributed mode off) is what counts.  'distributed' holds a
few scenarios with WF_DISTRIBUTED=1 that are informative; they run only with
--groups distributed (or --groups all).
"""

import argparse
import concurrent.futures
import datetime
import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STEP_TIMEOUT = float(os.environ.get("COMPAT_STEP_TIMEOUT", "60"))

# --------------------------------------------------------------------------
# normalisation
# --------------------------------------------------------------------------
TS = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})")
DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
NEAR = 36 * 3600  # a time this close to now was written by the run; others are kept as they are
HEX64 = re.compile(r"^[0-9a-f]{64}$")
HEX40 = re.compile(r"^[0-9a-f]{40}$")
CODE = re.compile(r"^[A-Z][A-Z0-9_]+$")

PROSE_KEYS = {"message", "reason", "skip_reason", "last_run_summary", "last_error"}
COUNT_KEYS = {"errors", "warnings"}

ID = r"([A-Za-z][A-Za-z0-9._-]*)"
TODO_LINE = re.compile(r"^\s*-\s*\[( |x|X)\]\s+(.*?)\s*$")
SECTION = re.compile(r"^##\s+" + ID + r"\s*$")
EV_STATUS = re.compile(r"^\s*-\s*status:\s*(pass|fail|partial)\s*$", re.I)
EV_COMMAND = re.compile(r"^\s*-\s*command:\s*`?(.+?)`?\s*$", re.I)
EV_OUTPUT = re.compile(r"^\s*-\s*output:\s*(.+)\s*$", re.I)
VERDICT = re.compile(r"^\s*-\s*\[" + ID + r"\]\s*:\s*(pass|fail|partial)\s*$", re.I)
REV_FIELD = re.compile(r"^\s*-\s*(intent_match|behavior_match|test_adequacy|risk|code_refs):\s*(.+?)\s*$", re.I)
REV_META = re.compile(r"^\s*-\s*(strict|strict_profile|quality_artifact):\s*(.*?)\s*$", re.I)


def lines_of(text):
    return text.replace("\r", "").split("\n")


def near_now(stamp, label):
    try:
        t = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return stamp
    if t.tzinfo is None:
        t = t.replace(tzinfo=datetime.timezone.utc)
    return label if abs(t.timestamp() - time.time()) < NEAR else stamp


def fresh(text):
    return TS.sub(lambda m: near_now(m.group(0), "<ts>"), text)


def norm_string(value, env):
    for real, label in env["paths"]:
        value = value.replace(real, label)
    if HEX64.match(value):
        return "<sha256>"
    if HEX40.match(value):
        return "<sha1>"
    if DATE.match(value):
        return near_now(value, "<date>")
    return fresh(value)


def norm_todo(text):
    return [l.strip() for l in lines_of(text) if l.strip()]


def norm_evidence(text):
    """Parsed sections; the untouched placeholder of a new plan is dropped."""
    out, cur = {}, None
    for line in lines_of(text):
        m = SECTION.match(line)
        if m:
            cur = m.group(1)
            out[cur] = {}
            continue
        if cur is None:
            continue
        for key, rx in (("status", EV_STATUS), ("command", EV_COMMAND), ("output", EV_OUTPUT)):
            m = rx.match(line)
            if m:
                v = m.group(1).strip()
                out[cur][key] = v.lower() if key == "status" else v
                break
    sample = out.get("T1")
    if (
        sample
        and sample.get("command") == "bun test path/to/test.ts"
        and sample.get("output") == "short factual result"
    ):
        del out["T1"]
    return out


def norm_review(text):
    verdicts, sections, meta, cur = {}, {}, {}, None
    for line in lines_of(text):
        m = SECTION.match(line)
        if m:
            cur = m.group(1)
            sections[cur] = {}
            continue
        m = VERDICT.match(line)
        if m:
            verdicts[m.group(1)] = m.group(2).lower()
            continue
        m = REV_META.match(line)
        if m:
            meta[m.group(1).lower()] = m.group(2).lower()
            continue
        m = REV_FIELD.match(line)
        if m and cur:
            sections[cur][m.group(1).lower()] = m.group(2)
    # headings that carry no contract field are layout, not data
    sections = {k: v for k, v in sections.items() if v}
    return {"verdicts": verdicts, "sections": sections, "meta": meta}


def norm_epic_md(text):
    return [l.rstrip() for l in lines_of(text) if l.startswith("#") or l.lstrip().startswith(("-", "*"))]


def norm_plans_map(text):
    rows = [l.strip() for l in lines_of(text) if l.strip()]
    items = [r[1:].strip() for r in rows if r.startswith("-")]
    ok = bool(rows) and rows[0].startswith("plans:")
    return {"plans": items} if ok else {"unparsed": rows}


def norm_report(text):
    blocks = []
    for line in lines_of(text):
        if line.startswith("## "):
            blocks.append({"at": fresh(line[3:].strip())})
        elif blocks:
            m = re.match(r"^- ([a-z_]+): ?(.*)$", line)
            if m:
                v = m.group(2).strip()
                blocks[-1][m.group(1)] = "<text>" if m.group(1) in ("action", "summary") and v else v
    return blocks


def norm_lines(text, env):
    return [norm_string(l.rstrip(), env) for l in lines_of(text) if l.strip()]


def front_matter(text, with_values):
    ls = lines_of(text)
    if not ls or ls[0].strip() != "---":
        return None
    out = {}
    for line in ls[1:]:
        if line.strip() == "---":
            break
        m = re.match(r"^([A-Za-z_][A-Za-z0-9_-]*):\s*(.*?)\s*$", line)
        if m:
            out[m.group(1)] = m.group(2)
    if with_values:
        return {k: ("<text>" if k == "description" else v) for k, v in sorted(out.items())}
    return sorted(out)


CONTENT_NORM = {
    "todo": norm_todo,
    "evidence": norm_evidence,
    "review": norm_review,
    "epic": norm_epic_md,
    "plansMap": norm_plans_map,
    "report": norm_report,
    "plan": lambda t: t.strip(),
}


def digest(value):
    return "h:" + hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]


def norm_json(value, env, key=None):
    if isinstance(value, dict):
        out = {}
        for k, v in value.items():
            if k in COUNT_KEYS and isinstance(v, list):
                out[k] = {"count": len(v)}
            elif k in PROSE_KEYS and isinstance(v, str):
                out[k] = "<text>" if v else ""
            elif k == "summary" and "created_plans" in value:
                out[k] = "<text>"
            elif k == "error" and isinstance(v, str):
                out[k] = v if CODE.match(v) else "<text>"
            elif k == "id" and "timestamp" in value:
                out[k] = "<id>"
            elif k == "duration_ms":
                out[k] = "<n>" if isinstance(v, (int, float)) else v
            elif k == "pid":
                out[k] = "<pid>"
            elif k == "command" and "exit_code" in value:
                out[k] = "<cmd>"
            elif k == "opencode_file_ok":
                out[k] = "<bool>"
            elif k == "content" and isinstance(v, dict):
                c = {}
                for ck, cv in v.items():
                    if isinstance(cv, str) and ck in CONTENT_NORM and not (ck == "epic" and "\n" not in cv):
                        cv = CONTENT_NORM[ck](cv)
                        c[ck] = digest(cv) if env["hash"] else cv
                    else:
                        c[ck] = norm_json(cv, env, ck)
                out[k] = c
            elif k == "text" and env["hash"] and isinstance(v, str):
                out[k] = digest(v)
            else:
                out[k] = norm_json(v, env, k)
        if "roles" in out and "warnings" in out:  # preflight payload
            out["warnings"] = "<n>"
        return out
    if isinstance(value, list):
        return [norm_json(v, env, key) for v in value]
    if isinstance(value, str):
        return norm_string(value, env)
    return value


def norm_file(rel, data, env):
    base = os.path.basename(rel)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + hashlib.sha256(data).hexdigest()[:16]
    parts = rel.split("/")
    if rel == ".wf/managed-files.json":
        try:
            doc = json.loads(text)
            return {
                "version": doc.get("version"),
                "entries": sorted("%s:%s:%s" % (e["agent"], e["kind"], e["relativePath"]) for e in doc["entries"]),
            }
        except Exception:
            return {"unparsed": True}
    if base.endswith(".json"):
        try:
            return norm_json(json.loads(text), env)
        except ValueError:
            return {"not_json": norm_string(text, env)}
    if base == "project-memory.jsonl":
        rows = []
        for l in text.split("\n"):
            if l.strip():
                try:
                    rows.append(norm_json(json.loads(l), env))
                except ValueError:
                    rows.append({"not_json": l})
        return rows
    if len(parts) >= 3 and parts[-3] == "plans":
        fn = {"todo.md": norm_todo, "evidence.md": norm_evidence, "review.md": norm_review}.get(base)
        if fn:
            return fn(text)
        return text.strip()
    if len(parts) >= 3 and parts[-3] == "epics":
        fn = {"epic.md": norm_epic_md, "plans-map.yaml": norm_plans_map, "report.md": norm_report}.get(base)
        if fn:
            return fn(text)
    if parts[0] in (".cursor", ".opencode") and len(parts) > 2 and parts[1] == "skills":
        return "bytes:" + hashlib.sha256(data).hexdigest()[:16]
    if parts[0] in (".cursor", ".opencode") or rel.startswith(".wf/templates/"):
        return {"front_matter": front_matter(text, "agents" in parts)}
    return norm_lines(text, env)


IGNORED = [".git", ".git/*", ".wf/distributed", ".wf/distributed/*", ".wf/locks", ".wf/locks/*"]
# paths an implementation may add without breaking compatibility
EXTRA_OK = [
    "wf.config.json",
    "wf.config.yaml",
    ".wf/.gitignore",
    ".wf/*.lock",
    ".wf/templates/*",
    ".cursor/agents/*",
    ".cursor/commands/*",
    ".cursor/rules/*",
    ".opencode/agents/*",
    ".opencode/commands/*",
    ".opencode/rules/*",
]


def ignored(rel):
    return any(fnmatch.fnmatchcase(rel, p) for p in IGNORED)


def extra_ok(rel):
    if os.path.basename(rel).startswith("fx-"):  # fixture files are always exact
        return False
    return any(fnmatch.fnmatchcase(rel, p) for p in EXTRA_OK)


def snapshot(root, env, cache):
    out = {}
    for cur, dirs, files in os.walk(root):
        rel_dir = os.path.relpath(cur, root)
        rel_dir = "" if rel_dir == "." else rel_dir + "/"
        dirs[:] = [d for d in dirs if not ignored(rel_dir + d)]
        for d in dirs:
            if d.endswith(".wf-lock"):
                out[rel_dir + d + "/"] = "<lock left behind>"
        for f in files:
            rel = rel_dir + f
            if ignored(rel):
                continue
            p = os.path.join(cur, f)
            with open(p, "rb") as fh:
                data = fh.read()
            key = (rel, data)
            if key not in cache:
                cache[key] = norm_file(rel, data, env)
            out[rel] = cache[key]
    return out


def tree_changes(before, after):
    ch = {}
    for k, v in after.items():
        if k not in before or before[k] != v:
            ch[k] = v
    for k in before:
        if k not in after:
            ch[k] = "<removed>"
    return ch


# --------------------------------------------------------------------------
# execution
# --------------------------------------------------------------------------
SHIM = r"""
import json, os, shlex, sys
tool, args = sys.argv[1], sys.argv[2:]
def scripts():
    try:
        with open("package.json") as fh:
            return json.load(fh).get("scripts") or {}
    except Exception:
        return {}
if args[:1] == ["run"] or args[:1] == ["run-script"]:
    rest = [a for a in args[2:]]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    cmd = scripts().get(args[1]) if len(args) > 1 else None
    if cmd is None:
        sys.stderr.write("shim: script not found\n")
        sys.exit(1)
    if rest:
        cmd += " " + " ".join(shlex.quote(a) for a in rest)
    os.execvp("sh", ["sh", "-c", cmd])
if args[:1] == ["test"]:
    cmd = scripts().get("test") if tool == "npm" else None
    if cmd:
        os.execvp("sh", ["sh", "-c", cmd])
    try:
        with open(".compat-bun-test") as fh:
            sys.exit(int(fh.read().strip()))
    except FileNotFoundError:
        sys.exit(1)
sys.stderr.write("shim: unsupported " + " ".join(args) + "\n")
sys.exit(127)
"""


class Runner:
    def __init__(self, wf_cmd, upstream=None):
        self.argv = shlex.split(wf_cmd)
        if not self.argv:
            raise SystemExit("empty --wf command")
        exe = shutil.which(self.argv[0])
        if not exe:
            raise SystemExit("cannot find the command '%s'" % self.argv[0])
        self.argv[0] = os.path.abspath(exe)
        for i, a in enumerate(self.argv[1:], 1):  # scripts given by relative path
            if os.path.exists(a):
                self.argv[i] = os.path.abspath(a)
        self.upstream = upstream
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="wfcompat-"))
        self.home = os.path.join(self.base, "home")
        self.shim = os.path.join(self.base, "shim")
        os.makedirs(self.home)
        os.makedirs(self.shim)
        with open(os.path.join(self.shim, "shim.py"), "w") as fh:
            fh.write(SHIM)
        for tool in ("bun", "npm"):
            self._exe(
                tool,
                'exec %s %s %s "$@"\n'
                % (shlex.quote(sys.executable), shlex.quote(os.path.join(self.shim, "shim.py")), tool),
            )
        self._exe("wf", 'exec %s "$@"\n' % " ".join(shlex.quote(a) for a in self.argv))
        path = self.shim + os.pathsep + os.environ.get("PATH", os.defpath)
        for rc in (".bash_profile", ".profile", ".bashrc"):
            with open(os.path.join(self.home, rc), "w") as fh:
                fh.write("export PATH=%s\n" % shlex.quote(path))
        self.env = {
            "PATH": path,
            "HOME": self.home,
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TMPDIR": self.base,
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@example.invalid",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@example.invalid",
        }
        for k in ("VIRTUAL_ENV", "PYTHONHOME"):
            if k in os.environ:
                self.env[k] = os.environ[k]
        if os.environ.get("PYTHONPATH"):
            self.env["PYTHONPATH"] = os.pathsep.join(
                os.path.abspath(p) for p in os.environ["PYTHONPATH"].split(os.pathsep) if p
            )
        self.env["PYTHONUSERBASE"] = site.getuserbase()  # HOME is replaced
        # one repository made once, copied per scenario
        self.seed = os.path.join(self.base, "seed")
        os.makedirs(self.seed)
        with open(os.path.join(self.seed, "README.md"), "w") as fh:
            fh.write("# fixture\n")
        for cmd in (["git", "init", "-q", "."], ["git", "add", "-A"], ["git", "commit", "-q", "-m", "fixture"]):
            subprocess.run(
                cmd, cwd=self.seed, env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    def _exe(self, name, body):
        p = os.path.join(self.shim, name)
        with open(p, "w") as fh:
            fh.write("#!/bin/sh\n" + body)
        os.chmod(p, 0o755)

    def close(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def exec(self, args, cwd, extra_env, sigint_after=None):
        env = dict(self.env)
        for k, v in (extra_env or {}).items():
            if v is None:
                env.pop(k, None)
            else:
                env[k] = v
        proc = subprocess.Popen(
            self.argv + args,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if sigint_after is not None:
            time.sleep(sigint_after)
            if proc.poll() is None:
                proc.send_signal(signal.SIGINT)
        try:
            out, err = proc.communicate(timeout=STEP_TIMEOUT)
            rc = proc.returncode
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            out, err = proc.communicate()
            rc = "timeout"
        return rc, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def run_scenario(self, sc):
        root = os.path.join(self.base, "r-" + sc["name"])
        shutil.copytree(self.seed, root, symlinks=True)
        env = {"paths": [(os.path.realpath(root), "<cwd>")], "hash": bool(sc.get("hash_content"))}
        results, cache, idx = [], {}, 0
        try:
            for step in sc["steps"]:
                if "run" not in step:
                    self.fixture(root, step)
                    continue
                idx += 1
                before = snapshot(root, env, cache)
                cwd = os.path.join(root, step.get("cwd", "."))
                rc, out, err = self.exec(step["run"], cwd, step.get("env"), step.get("sigint_after"))
                after = snapshot(root, env, cache)
                res = {"n": idx, "cmd": " ".join(step["run"]), "exit": rc}
                mode = step.get("cmp", "full")
                if mode != "exit":
                    if step.get("json", "--json" in step["run"]):
                        res["stdout_json"] = self.as_json(out, env)
                        res["stderr_json"] = self.as_json(err, env)
                    if step.get("mention"):
                        res["mention"] = {m: (m in out or m in err) for m in step["mention"]}
                    res["changes"] = tree_changes(before, after)
                if os.environ.get("COMPAT_VERBOSE"):
                    res["_out"], res["_err"] = out[-600:], err[-600:]
                results.append(res)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return {"name": sc["name"], "results": results}

    @staticmethod
    def as_json(text, env):
        text = text.strip()
        if not text:
            return None
        try:
            return norm_json(json.loads(text), env)
        except ValueError:
            return None

    def fixture(self, root, step):
        def P(rel):
            p = os.path.join(root, rel)
            os.makedirs(os.path.dirname(p), exist_ok=True)
            return p

        if "write" in step:
            with open(P(step["write"]), "w", encoding="utf-8", newline="") as fh:
                fh.write(step.get("text", ""))
        elif "append" in step:
            with open(P(step["append"]), "a", encoding="utf-8", newline="") as fh:
                fh.write(step.get("text", ""))
        elif "hex" in step:
            with open(P(step["hex"]), "wb") as fh:
                fh.write(bytes.fromhex(step["data"]))
        elif "patch" in step:  # shallow JSON merge, null removes
            p = os.path.join(root, step["patch"])
            with open(p, encoding="utf-8") as fh:
                doc = json.load(fh)
            for k, v in step["set"].items():
                if v is None:
                    doc.pop(k, None)
                else:
                    doc[k] = v
            with open(p, "w", encoding="utf-8") as fh:
                json.dump(doc, fh, indent=2)
        elif "rm" in step:
            p = os.path.join(root, step["rm"])
            shutil.rmtree(p) if os.path.isdir(p) else os.path.exists(p) and os.unlink(p)
        elif "mkdir" in step:
            os.makedirs(os.path.join(root, step["mkdir"]), exist_ok=True)
        elif "now" in step:  # JSON file with a relative timestamp
            doc = json.loads(json.dumps(step["doc"]))
            t = time.time() + step["offset_s"]
            doc[step["key"]] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t))
            with open(P(step["now"]), "w", encoding="utf-8") as fh:
                json.dump(doc, fh, indent=2)
        elif "copy_upstream" in step:
            for d in step["copy_upstream"]:
                shutil.copytree(os.path.join(self.upstream, d), os.path.join(root, d))
        else:
            raise SystemExit("unknown step %r" % step)


# --------------------------------------------------------------------------
# comparison
# --------------------------------------------------------------------------
def short(v, n=110):
    s = json.dumps(v, sort_keys=True, ensure_ascii=False)
    return s if len(s) <= n else s[: n - 3] + "..."


def diff_value(path, a, b, out, opts):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(set(a) | set(b)):
            p = "%s.%s" % (path, k)
            if k not in b:
                out.append("%s: missing (expected %s)" % (p, short(a[k])))
            elif k not in a:
                if not opts.get("allow_extra_keys"):
                    out.append("%s: unexpected %s" % (p, short(b[k])))
            else:
                diff_value(p, a[k], b[k], out, opts)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            diff_value("%s[%d]" % (path, i), x, y, out, opts)
    elif a != b or isinstance(a, bool) != isinstance(b, bool):
        out.append("%s: expected %s, got %s" % (path, short(a), short(b)))


def diff_managed(path, a, b, out):
    ea, eb = set(a.get("entries", [])), set(b.get("entries", []))
    if ea - eb:
        out.append("%s: entries missing %s" % (path, short(sorted(ea - eb))))
    fx = [e for e in eb - ea if e.split(":")[-1].startswith("fx-")]
    if fx:
        out.append("%s: entries unexpected %s" % (path, short(fx)))
    if a.get("version") != b.get("version"):
        out.append("%s: version" % path)


def diff_step(a, b, opts):
    out = []
    if a["exit"] != b["exit"]:
        out.append("exit: expected %s, got %s" % (a["exit"], b["exit"]))
    for s in ("stdout_json", "stderr_json"):
        if s not in a:
            continue
        if a[s] is None and b.get(s) is not None:
            # a JSON error where the reference prints text is an allowed improvement
            if not (s == "stderr_json" and a["exit"] != 0 and a.get("stdout_json") is None):
                out.append("%s: expected no JSON, got %s" % (s, short(b[s])))
        elif a[s] is not None and b.get(s) is None:
            out.append("%s: expected JSON %s, got none" % (s, short(a[s])))
        elif a[s] is not None:
            diff_value(s, a[s], b[s], out, opts)
    for k, v in (a.get("mention") or {}).items():
        if v and not (b.get("mention") or {}).get(k):
            out.append("output does not mention %r" % k)
    if "changes" in a:
        ca, cb = a["changes"], b.get("changes", {})
        for f in sorted(set(ca) | set(cb)):
            if f not in cb:
                out.append("file %s: expected change %s, none happened" % (f, short(ca[f])))
            elif f not in ca:
                if not extra_ok(f):
                    out.append("file %s: unexpected change %s" % (f, short(cb[f])))
            elif f == ".wf/managed-files.json" and isinstance(ca[f], dict) and isinstance(cb[f], dict):
                diff_managed("file " + f, ca[f], cb[f], out)
            else:
                diff_value("file " + f, ca[f], cb[f], out, opts)
    return out


def diff_scenario(golden, got, opts):
    out = []
    ga, gb = golden["results"], got["results"]
    if len(ga) != len(gb):
        out.append(("-", "-", ["step count %d != %d: golden is stale, record again" % (len(ga), len(gb))]))
    for a, b in zip(ga, gb):
        d = diff_step(a, b, opts)
        if d:
            out.append((a["n"], a["cmd"], d))
    return out


# --------------------------------------------------------------------------
# main
# --------------------------------------------------------------------------
def load_scenarios(files):
    if not files:
        files = sorted(os.path.join(HERE, f) for f in os.listdir(HERE) if re.match(r"scenarios_.*\.json$", f))
    out, seen = [], set()
    for f in files:
        with open(f, encoding="utf-8") as fh:
            doc = json.load(fh)
        for sc in doc["scenarios"]:
            if sc["name"] in seen:
                raise SystemExit("duplicate scenario " + sc["name"])
            seen.add(sc["name"])
            sc["set"] = doc["set"]
            sc.setdefault("group", "base")
            out.append(sc)
    return out


def select(scs, args):
    groups = None if args.groups == "all" else set(args.groups.split(","))
    out = []
    for sc in scs:
        if args.set != "all" and sc["set"] != args.set:
            continue
        if groups is not None and sc["group"] not in groups:
            continue
        if args.only and not any(fnmatch.fnmatchcase(sc["name"], p) for p in args.only.split(",")):
            continue
        out.append(sc)
    return out


def run_all(args, scs):
    runner = Runner(args.wf, args.upstream)
    results, skipped = {}, []
    try:
        todo = []
        for sc in scs:
            if sc.get("needs_upstream") and not (args.upstream and os.path.isdir(args.upstream)):
                skipped.append(sc["name"])
            else:
                todo.append(sc)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as ex:
            for sc, res in zip(todo, ex.map(runner.run_scenario, todo)):
                results[sc["name"]] = res
    finally:
        runner.close()
    return results, skipped


def dump(path, doc):
    with open(path, "w", encoding="utf-8") as fh:
        json.dump(doc, fh, indent=1, sort_keys=True, ensure_ascii=False)
        fh.write("\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("mode", choices=["check", "record", "selfcheck", "show", "list"])
    ap.add_argument("name", nargs="?")
    ap.add_argument("--wf", default=os.environ.get("WF_CMD", "wf"), help="command to run (default: wf)")
    ap.add_argument("--golden", default=os.path.join(HERE, "golden"))
    ap.add_argument("--scenarios", action="append", help="scenario file (repeatable)")
    ap.add_argument("--only", help="comma separated glob patterns of names")
    ap.add_argument("--set", default="all", choices=["all", "open", "held"])
    ap.add_argument("--groups", default="base", help="base | distributed | all (comma list)")
    ap.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 2))
    ap.add_argument(
        "--upstream",
        default=os.environ.get("WF_UPSTREAM_REPO"),
        help="clone of the upstream repository, for the scenarios that use its plans/ and epics/",
    )
    ap.add_argument(
        "--allow-extra-keys",
        action="store_true",
        help="tolerate additional keys in JSON objects of the command under test",
    )
    ap.add_argument("--require-all", action="store_true", help="skipped scenarios count as failures")
    ap.add_argument("--max-diffs", type=int, default=6, help="diff lines per scenario")
    ap.add_argument("--summary", action="store_true", help="print only the last line and failing names")
    args = ap.parse_args()
    scs = load_scenarios(args.scenarios)

    if args.mode == "list":
        for sc in select(scs, args):
            print(
                "%-5s %-12s %-44s %3d runs"
                % (sc["set"], sc["group"], sc["name"], sum("run" in s for s in sc["steps"]))
            )
        return 0
    if args.mode == "show":
        scs = [s for s in scs if s["name"] == args.name]
        res, _ = run_all(args, scs)
        print(json.dumps(res.get(args.name), indent=1, sort_keys=True, ensure_ascii=False))
        return 0

    t0 = time.time()
    chosen = select(scs, args)
    if args.mode == "record":
        res, skipped = run_all(args, chosen)
        os.makedirs(args.golden, exist_ok=True)
        for name, doc in res.items():
            dump(os.path.join(args.golden, name + ".json"), doc)
        print("recorded %d scenarios (%d skipped) in %.0f s" % (len(res), len(skipped), time.time() - t0))
        return 0
    if args.mode == "selfcheck":
        one, skipped = run_all(args, chosen)
        two, _ = run_all(args, chosen)
        bad = [n for n in one if one[n] != two[n]]
        for n in bad:
            for a, b in zip(one[n]["results"], two[n]["results"]):
                if a != b:
                    print("UNSTABLE %s step %s: %s" % (n, a["n"], a["cmd"]))
        print("%d of %d scenarios identical in two runs (%d skipped)" % (len(one) - len(bad), len(one), len(skipped)))
        return 1 if bad else 0

    res, skipped = run_all(args, chosen)
    opts = {"allow_extra_keys": args.allow_extra_keys}
    agree, failing, no_golden = 0, [], []
    for sc in chosen:
        name = sc["name"]
        if name in skipped:
            continue
        gp = os.path.join(args.golden, name + ".json")
        if not os.path.exists(gp):
            no_golden.append(name)
            continue
        with open(gp, encoding="utf-8") as fh:
            golden = json.load(fh)
        d = diff_scenario(golden, res[name], opts)
        if not d:
            agree += 1
            continue
        failing.append(name)
        if args.summary:
            print("DIFF " + name)
            continue
        print("DIFF %s (%s)" % (name, sc.get("about", "")))
        shown = 0
        total = sum(len(x[2]) for x in d)
        for n, cmd, items in d:
            if shown >= args.max_diffs:
                break
            print("  step %s: wf %s" % (n, cmd))
            for it in items:
                if shown >= args.max_diffs:
                    break
                print("      " + it)
                shown += 1
        if total > shown:
            print("      ... %d more" % (total - shown))
    for n in no_golden:
        print("NO GOLDEN " + n)
    if skipped:
        print("skipped (need --upstream): " + ", ".join(skipped))
    print(
        "%d of %d scenarios agree%s  [%.0f s]"
        % (agree, len(chosen) - len(skipped), " (%d skipped)" % len(skipped) if skipped else "", time.time() - t0)
    )
    bad = failing or no_golden or (args.require_all and skipped) or not chosen
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
