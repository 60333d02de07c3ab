"""A name that does not exist is refused by every command that takes it, with the nearest one, and nothing is done."""

from __future__ import annotations

import pytest

from conditions.bed import Bed

#: A command, and what it has to say.
REFUSED = [
    ("worker --runtime shel", "there is no runtime 'shel'", "did you mean shell?"),
    ("worker buildr --runtime shell", "there is no role 'buildr'", "did you mean builder?"),
    ("pause --runtime shel", "there is no runtime 'shel'", "did you mean shell?"),
    ("resume --runtime Shell2", "is not the name of a runtime", "[a-z0-9-]"),
    ("resume --runtime shell2", "there is no runtime 'shell2'", "did you mean shell?"),
    ("pause --runtime zzz", "there is no runtime 'zzz'", "configured: cursor, opencode, shell"),
    ("job next --runtime shel", "there is no runtime 'shel'", "did you mean shell?"),
    ("enqueue --role builder --runtime shel --key k", "there is no runtime 'shel'", "did you mean shell?"),
    ("enqueue --role buildr --runtime shell --key k", "there is no role 'buildr'", "did you mean builder?"),
    ("worker drain shel", "there is no worker 'shel'", "did you mean shell?"),
    ("worker drain somebody", "there is no worker 'somebody'", "wf worker ls"),
    ("spool ls --runtime shel", "there is no runtime 'shel'", "did you mean shell?"),
    ("spool ls --role buildr", "there is no role 'buildr'", "did you mean builder?"),
    ("hold --role buildr", "there is no role 'buildr'", "did you mean builder?"),
    ("retry --runtime shel", "there is no runtime 'shel'", "did you mean shell?"),
    ("spool ls --spool .wf/spol", "there is no spool at", "/.wf/spool"),
    ("explain --spool .wf/spol j", "there is no spool at", "/.wf/spool"),
    ("explain job-on", "there is no job 'job-on'", "did you mean job-one?"),
    ("spool ls --status runing", "there is no such status", "running"),
]


@pytest.mark.parametrize(("words", "says", "hint"), REFUSED, ids=[words for words, _, _ in REFUSED])
def test_it_is_refused_with_the_nearest_one(bed: Bed, words: str, says: str, hint: str) -> None:
    bed.lay()
    bed.enqueue("job-one")
    before = bed.tree(".wf/spool/queued", ".wf/spool/control", ".wf/spool/jobs")
    done = bed.wf(*words.split())
    assert done.code in (2, 3), done.text
    assert says in done.err
    assert hint in done.err
    assert bed.tree(".wf/spool/queued", ".wf/spool/control", ".wf/spool/jobs") == before


def test_the_owner_of_jobs_is_one_of_the_sessions(bed: Bed) -> None:
    bed.lay(bed.waits_for_ever())
    owner = bed.at_work().owner
    done = bed.wf("spool", "ls", "--owner", owner[:-1])
    assert (done.code, f"did you mean {owner}?" in done.err) == (3, True), done.text
    assert bed.ok("spool", "ls", "--owner", owner, "--json").document["jobs"][0]["job_id"] == "j"
    assert bed.ok("spool", "ls", "--owner", "shell", "--json").document["jobs"] != [], (
        "the beginning of a name is one"
    )


def test_a_new_role_and_a_pool_of_the_spool_are_no_mistakes(bed: Bed) -> None:
    bed.lay()
    bed.enqueue("k", role="linter", runtime="elsewhere")
    bed.ok("pause", "--runtime", "elsewhere")
    bed.ok("resume", "--runtime", "elsewhere")
    assert bed.ok("spool", "ls", "--role", "linter", "--json").document["jobs"][0]["job_id"] == "k"
    assert bed.ok("worker", "tester", "--runtime", "shell").code == 0
