"""Several users of one group work on one project: whatever one of them made, the others can lock, finish and read."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import team_steps as steps
from support.box import Done
from support.hearing import Hearing
from support.users import Team, User, dismiss, team
from wf_cli.spool import layout


@pytest.fixture
def people() -> Iterator[Team]:
    """Two users whose umask keeps the group from whatever they make."""
    made = team(0o077)
    yield made
    dismiss(made)


@pytest.fixture
def friends() -> Iterator[Team]:
    """Two users whose umask lets the group write, as a shared checkout needs it."""
    made = team(0o002)
    yield made
    dismiss(made)


@pytest.fixture
def root(people: Team) -> Path:
    """A shared spool that alice made."""
    path = people.project / ".wf" / "spool"
    people.alice.call(steps.make, path)
    return path


def test_users_take_turns_on_a_slot(people: Team, root: Path) -> None:
    for user in (people.alice, people.bob, people.alice):
        assert user.call(steps.take_slot, root)


def test_a_slot_that_another_user_holds_is_taken_and_no_error(people: Team, root: Path) -> None:
    people.alice.call(steps.hold_slot, root)
    assert people.bob.call(steps.take_slot, root) is False
    people.alice.call(steps.let_go)
    assert people.bob.call(steps.take_slot, root)


def test_users_take_turns_on_a_fence(people: Team, root: Path) -> None:
    for user in (people.alice, people.bob, people.alice):
        assert user.call(steps.fence, root)


def test_the_sweeper_of_one_user_finishes_the_enqueue_of_another(people: Team, root: Path) -> None:
    people.alice.call(steps.stage, root)
    assert people.bob.call(steps.sweep, root) == ["a"]
    assert people.alice.call(steps.finish_next, root) == "a"


def test_the_reaper_of_one_user_ends_the_dead_attempt_of_another(people: Team, root: Path) -> None:
    people.alice.call(steps.begin_and_die, root)
    assert people.bob.call(steps.reap, root) == ["x"]
    assert people.alice.call(steps.finish_next, root) == "x"


def test_a_living_session_is_not_reaped_by_a_user_who_cannot_see_its_process(people: Team, root: Path) -> None:
    """/proc with the option hidepid shows a user no process of the others, as if they were all dead."""
    people.alice.call(steps.begin_and_stay, root)
    assert people.bob.seeing_no_others().call(steps.reap, root) == []
    assert people.bob.call(steps.reap, root) == []


def test_a_staged_file_that_another_user_may_not_read_keeps_no_job_behind_it(people: Team, root: Path) -> None:
    people.alice.call(steps.stage_a_closed_one, root)
    admitted, said = people.bob.call(steps.sweep_and_say, root)
    assert admitted == ["b"]
    (line,) = said
    assert f"{root}/tmp/" in line
    assert f"it belongs to user {people.alice.uid}" in line
    assert f"(as user {people.alice.uid}: chmod g+rw " in line


def test_an_outcome_that_another_user_may_not_read_keeps_no_attempt_from_its_end(people: Team, root: Path) -> None:
    people.alice.call(steps.leave_a_closed_outcome, root)
    reaped, said = people.bob.call(steps.reap_and_say, root)
    assert reaped == ["y"]
    (line,) = said
    assert f"outcomes/x.a1.json: it belongs to user {people.alice.uid}" in line


def test_a_request_of_one_user_is_read_and_replaced_by_another(people: Team, root: Path) -> None:
    people.alice.call(steps.pause, root)
    assert people.bob.call(steps.paused, root) == ["lunch"]
    people.bob.call(steps.pause, root)
    assert people.alice.call(steps.paused, root) == ["lunch"]


def test_damage_is_put_away_by_every_user(people: Team, root: Path) -> None:
    """The folder for it is made by the one who needs it first."""
    assert people.alice.call(steps.put_damage_away, root, "x")
    assert people.bob.call(steps.put_damage_away, root, "y")


def test_everything_on_a_shared_spool_belongs_to_the_group(people: Team, root: Path) -> None:
    people.alice.call(steps.begin_and_die, root)
    people.bob.call(steps.reap, root)
    people.bob.call(steps.finish_next, root)
    people.bob.call(steps.pause, root)
    people.bob.call(steps.put_damage_away, root, "x")
    wrong = []
    for path in (root, *root.rglob("*")):
        info = path.lstat()
        wanted = layout.SHARED_FOLDER if path.is_dir() else layout.SHARED_FILE
        # A lease is written by its owner alone; the others only have to see it.
        wanted = 0o640 if path.parent.name == "leases" else wanted
        if (stat.S_IMODE(info.st_mode), info.st_gid) != (wanted, 61_000):
            wrong.append(f"{path.relative_to(root)} {stat.S_IMODE(info.st_mode):o} {info.st_gid}")
    assert wrong == []


def test_a_spool_of_a_foreign_group_is_refused_with_owner_mode_and_remedy(people: Team, root: Path) -> None:
    root.chmod(0o700)
    done = people.bob.wf(
        "enqueue", "--role", "coder", "--key", "a", "--runtime", "cursor", env={"WF_DISTRIBUTED": "1"}
    )
    assert done.code == 1, done.text
    assert f"{root}" in done.err
    assert "mode 0700" in done.err
    assert f"chmod g+x {root}" in done.err


# -- the commands of a shared checkout


def test_the_second_user_plans_and_sets_the_model_under_the_locks_of_the_first(friends: Team) -> None:
    for user, title in ((friends.alice, "one"), (friends.bob, "two"), (friends.alice, "three")):
        user.ok("set-model", "gpt-5.2")
        user.ok("plan", title)
    assert sorted(path.name[:2] for path in (friends.project / "plans").glob("0*")) == ["01", "02", "03"]


def write_a_plan(user: User) -> None:
    user.ok("set-model", "gpt-5.2")
    user.ok("plan", "one")
    (folder,) = (user.cwd / "plans").glob("01-*")
    user.run("sh", "-c", f"printf '# p\\n' > {folder}/plan.md; printf -- '- [ ] [T1] first\\n' > {folder}/todo.md")


def test_the_second_user_goes_on_with_the_plan_of_the_first(friends: Team) -> None:
    write_a_plan(friends.alice)
    friends.bob.ok("code", "1")
    friends.bob.ok("todo", "implemented", "1", "T1", "--test", "make", "--output", "ok")
    friends.alice.ok("finish-code", "1")


def test_lock_files_that_an_earlier_version_made_are_mended_by_their_owner(friends: Team) -> None:
    friends.alice.ok("set-model", "gpt-5.2")
    lock = friends.project / ".wf" / "locks" / "session.lock"
    lock.chmod(0o644)
    refused = friends.bob.wf("set-model", "gpt-5.2")
    assert refused.code == 1, refused.text
    assert (
        f"{lock}: it belongs to user 61001, group 61000, mode 0644: user 61002 may not read and write it"
        in refused.err
    )
    assert f"as user 61001: chmod g+rw {lock}" in refused.err
    friends.alice.ok("set-model", "gpt-5.2")
    friends.bob.ok("set-model", "gpt-5.2")


def test_who_may_write_the_project_may_take_its_locks_whatever_the_umask(people: Team) -> None:
    for user in (people.alice, people.bob, people.alice):
        user.call(steps.take_project_lock, people.project)


# -- the log


ON = {"WF_DISTRIBUTED": "1"}


def enqueue(user: User, key: str) -> Done:
    return user.ok("enqueue", "--role", "coder", "--runtime", "cursor", "--key", key, env=ON)


def events_of(user: User) -> tuple[list[str], str]:
    """The keys of the jobs that the log tells of, and what was said beside it."""
    done = user.ok("events", "--json")
    return [json.loads(line)["job_id"] for line in done.out.splitlines()], done.err


def test_the_events_of_both_users_are_kept_and_both_read_them(people: Team, root: Path) -> None:
    said = [enqueue(user, f"k{i}").err for i, user in enumerate((people.alice, people.bob, people.alice, people.bob))]
    assert "".join(said) == ""
    for user in (people.alice, people.bob):
        found, beside = events_of(user)
        assert len(found) == 4
        assert beside == ""


def test_a_command_that_cannot_record_its_events_says_so_once(people: Team, root: Path) -> None:
    enqueue(people.alice, "a")
    (log,) = (root / "log").iterdir()
    log.chmod(0o440)
    said = people.alice.ok("enqueue", "--role", "coder", "--runtime", "cursor", "--key", "b", env=ON).err
    assert said.count("events are not recorded") == 1
    assert f"chmod u+rw {log}" in said


def test_a_log_that_another_user_may_not_read_is_named(people: Team, root: Path) -> None:
    enqueue(people.alice, "a")
    (log,) = (root / "log").iterdir()
    log.chmod(0o600)
    found, beside = events_of(people.bob)
    assert found == []
    assert f"{log}: it belongs to user 61001, group 61000, mode 0600" in beside
    assert f"chmod g+rw {log}" in beside


# -- two workers


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=["022", "077"])
def test_workers_of_two_users_take_turns_on_the_checkout(friends: Team, umask: int) -> None:
    """Each works on one step of a plan, for which it needs the one slot of the checkout.

    The reviewer has to write where the coder has worked.
    """
    config = {
        "version": 1, "mode": "distributed", "spool": {"topology": "shared", "durability": "none"},
        "runtimes": {"cursor": {"adapter": "scripted"}, "opencode": {"adapter": "scripted"}},
    }  # fmt: skip
    (friends.project / "wf.config.json").write_text(json.dumps(config))
    alice, bob = friends.alice.with_umask(umask), friends.bob.with_umask(umask)
    write_a_plan(alice)
    alice.ok("code", "1")
    for user, runtime in ((alice, "opencode"), (bob, "cursor")):
        done = user.ok("worker", "--runtime", runtime, "--json")
        assert json.loads(done.out)["succeeded"] == 1, done.text
    (plan,) = (friends.project / "plans").glob("01-*")
    assert json.loads((plan / "state.json").read_text())["phase"] == "completed"


def agents_that_wait(people: Team) -> Path:
    """A runtime whose first agent of each job waits for ever and later ones end at once; the folder of its notes."""
    notes, agent = people.project.parent / "notes", people.project.parent / "agent.sh"
    notes.mkdir()
    notes.chmod(0o777)
    agent.write_text(f'mkdir -p made; : > "made/$1.$2"; : > "{notes}/started.$1.$2"; [ "$2" -gt 1 ] || sleep 600\n')
    agent.chmod(0o755)
    config = {
        "version": 1, "mode": "distributed", "spool": {"topology": "shared", "durability": "none"},
        "runtimes": {"shell": {"adapter": "command", "argv": ["sh", str(agent), "{job_id}", "{attempt}"]}},
        "routing": {"builder": {"runtime": "shell"}},
    }  # fmt: skip
    (people.project / "wf.config.json").write_text(json.dumps(config))
    return notes


def test_the_worker_of_one_user_goes_on_with_the_job_of_another_whose_worker_was_killed(people: Team) -> None:
    """Both have umask 077. The agents write to one folder of the checkout."""
    notes = agents_that_wait(people)
    people.alice.ok("enqueue", "--role", "builder", "--key", "of-alice")
    people.bob.ok("enqueue", "--role", "builder", "--key", "of-bob")
    for user, other, job in ((people.alice, people.bob, "of-alice"), (people.bob, people.alice, "of-bob")):
        heard = Hearing(user.start("worker", "--runtime", "shell", "--watch"))
        heard.until((notes / f"started.{job}.1").exists, "its agent")
        heard.close()  # With SIGKILL.
        finisher = Hearing(other.start("worker", "--runtime", "shell", "--watch", "--max-jobs", "1"))
        finisher.says(f"{job}: succeeded")
        finisher.close()
    assert sorted(path.name for path in (people.project / "made").iterdir()) == [
        "of-alice.1", "of-alice.2", "of-bob.1", "of-bob.2",
    ]  # fmt: skip


# -- what cannot be looked at


def test_a_session_that_another_user_may_not_read_is_shown_and_named_by_doctor(people: Team, root: Path) -> None:
    """It was left out of every list, and its dead attempts waited for ever."""
    people.alice.call(steps.begin_and_die, root)
    (file,) = (root / "sessions").iterdir()
    file.chmod(0o600)
    listed = people.bob.ok("worker", "ls", env=ON)
    assert "w-box-1" in listed.out
    assert "unreadable" in listed.out
    assert f"chmod g+rw {file}" in listed.err
    (shown,) = json.loads(people.bob.ok("worker", "ls", "--json", env=ON).out)["workers"]
    assert (shown["owner"], shown["state"], shown["runtime"]) == ("w-box-1", "unreadable", None)
    assert [job["job_id"] for job in shown["jobs"]] == ["x"]
    checked = people.bob.wf("doctor", "--json", env=ON)
    assert checked.code == 5, checked.text
    (named,) = [
        check for check in json.loads(checked.out)["checks"] if "w-box-1 cannot be looked at" in check["detail"]
    ]
    assert named["status"] == "error"
    assert f"chmod g+rw {file}" in named["remedy"] or str(file) in named["detail"]
