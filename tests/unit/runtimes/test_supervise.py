"""One agent under supervision: its three clocks, its output, its end. Real processes, short clocks."""

import resource

import pytest

from support.runs import Bench, new_mark, python, request_for, shell
from wf_cli import proc
from wf_cli.clock import SystemClock
from wf_cli.runtimes.base import Launch, Limits, Request
from wf_cli.runtimes.process.lines import TAIL_LIMIT
from wf_cli.runtimes.process.supervise import AgentRun
from wf_cli.runtimes.process.transcript import TRUNCATED
from wf_cli.runtimes.scripted.adapter import ScriptedReader

FINISHED = 'print(\'{"type": "result", "text": "all done"}\', flush=True)\n'
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Speaking:
    """An adapter for a program that speaks the scripted agent's lines."""

    def __init__(self, code: str, **launch: object):
        self._argv = python(code)
        self._facts = launch

    def launch(self, request: Request) -> Launch:
        return Launch(self._argv, request.environment, request.prompt.encode(), **self._facts)  # type: ignore[arg-type]

    def reader(self, request: Request) -> ScriptedReader:
        return ScriptedReader()


def test_a_result_and_an_exit_are_a_success(bench: Bench) -> None:
    outcome = bench.run(Speaking(FINISHED))
    assert outcome.code is None
    assert outcome.result.exit.code == 0
    assert outcome.result.exit.stopped is None
    assert outcome.result.verdict.summary == "all done"
    assert [event.kind for event in outcome.events] == ["result"]


def test_no_first_sign_of_life_is_a_timeout(bench: Bench) -> None:
    outcome = bench.run(Speaking(DEAF + "time.sleep(600)"), limits=Limits(startup_s=0.4, grace_s=0.2))
    assert (outcome.code, outcome.result.exit.stopped) == ("timeout", "startup")


def test_silence_is_a_stall(bench: Bench) -> None:
    code = "import time; print('hello', flush=True); time.sleep(600)"
    outcome = bench.run(Speaking(code), limits=Limits(stall_s=0.4, grace_s=0.2))
    assert (outcome.code, outcome.result.exit.stopped) == ("stall", "stall")


def test_noise_on_stderr_is_a_sign_of_life_and_max_runtime_ends_it(bench: Bench) -> None:
    code = "import sys, time\nwhile True: print('busy', file=sys.stderr, flush=True); time.sleep(0.05)"
    outcome = bench.run(Speaking(code), limits=Limits(startup_s=0.6, stall_s=0.6, max_runtime_s=1.5, grace_s=0.2))
    assert (outcome.code, outcome.result.exit.stopped) == ("timeout", "max_runtime")


def test_a_program_that_need_not_speak_has_no_startup_clock(bench: Bench) -> None:
    outcome = bench.run(python("import time; time.sleep(0.6)"), limits=Limits(startup_s=0.1))
    assert outcome.code is None


def test_an_agent_that_does_not_exit_after_its_result_is_ended_and_has_succeeded(bench: Bench) -> None:
    child = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    outcome = bench.run(Speaking(DEAF + child + FINISHED + "time.sleep(600)"), limits=Limits(grace_s=0.2))
    assert outcome.code is None
    assert outcome.result.exit.stopped == "after_result"
    assert outcome.result.verdict.summary == "all done"


def test_a_runtime_may_need_longer_after_its_result(bench: Bench) -> None:
    code = FINISHED + "import time; time.sleep(0.5)"
    outcome = bench.run(Speaking(code, result_grace_s=60.0), limits=Limits(grace_s=0.1))
    assert outcome.result.exit.stopped is None


def test_being_asked_to_stop_ends_a_deaf_tree_and_is_no_success(bench: Bench) -> None:
    code = DEAF + "print('x', flush=True); time.sleep(600)"
    answers = iter([None, None])
    outcome = bench.run(Speaking(code), should_stop=lambda: next(answers, "the lease was lost"))
    assert outcome.result.exit.stopped == "asked"
    assert outcome.result.exit.code == -9
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert "the lease was lost" in failure.message


def test_an_agent_may_clean_up_when_it_is_stopped(bench: Bench) -> None:
    code = """
    import signal, sys, time
    def end(*_):
        open("cleaned", "w").close()
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("x", flush=True)
    time.sleep(600)
    """

    def handler_is_in_place() -> str | None:
        return "enough" if any(path.stat().st_size for path in bench.root.glob("*.log")) else None

    bench.run(python(code), should_stop=handler_is_in_place, limits=Limits(grace_s=30))
    assert (bench.root / "cleaned").exists()


def test_a_flood_without_a_newline_neither_fills_memory_nor_hides_the_end(bench: Bench) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = bench.run(("sh", "-c", "head -c 50000000 /dev/zero; echo; echo last"))
    assert outcome.code is None
    assert outcome.result.verdict.summary == "last"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kilobytes
    size = outcome.transcript.stat().st_size
    assert 10_000_000 <= size < 10_001_000
    assert outcome.transcript.read_bytes().endswith(TRUNCATED)


def test_fifty_megabytes_of_lines_on_both_streams_do_not_block_the_agent(bench: Bench) -> None:
    line = "x" * 999
    code = f"""
    import sys
    for _ in range(25_000):
        sys.stdout.write("{line}\\n")
        sys.stderr.write("{line}\\n")
    """
    outcome = bench.run(python(code))
    assert outcome.code is None
    assert len(outcome.result.exit.stderr_tail) <= TAIL_LIMIT


def test_the_question_whether_to_stop_is_asked_during_a_flood(bench: Bench) -> None:
    asked = 0

    def should_stop() -> str | None:
        nonlocal asked
        asked += 1
        return "enough" if asked > 2 else None

    assert bench.run(("yes",), should_stop=should_stop).result.exit.stopped == "asked"


def test_a_prompt_larger_than_a_pipe_arrives_whole(bench: Bench) -> None:
    prompt = "päylöad " * 100_000
    outcome = bench.run(python("import sys; print(len(sys.stdin.buffer.read()))"), prompt=prompt)
    assert outcome.result.verdict.summary == str(len(prompt.encode()))


def test_an_agent_that_does_not_read_its_prompt_is_no_failure(bench: Bench) -> None:
    assert bench.run(("true",), prompt="x" * 1_000_000).code is None


def test_secrets_are_in_nothing_that_comes_out(bench: Bench) -> None:
    secret = 'sesame"open'
    code = """
    import json, os, sys, time
    key = os.environ["X_API_KEY"]
    sys.stdout.write("a " + key[:4]); sys.stdout.flush(); time.sleep(0.05); print(key[4:], flush=True)
    print(json.dumps({"type": "text", "text": "key " + key}), flush=True)
    print(json.dumps({"type": "error", "code": "auth", "message": "bad key " + key}), flush=True)
    print("stderr " + key, file=sys.stderr)
    sys.exit(1)
    """
    outcome = bench.run(Speaking(code), environment={"X_API_KEY": secret})
    everything = repr(outcome.result) + repr(outcome.events) + outcome.transcript.read_text()
    assert "sesame" not in everything
    assert outcome.transcript.read_text().count("[redacted]") == 4
    assert outcome.code == "auth"


def test_a_transcript_that_cannot_be_written_does_not_stop_the_work(bench: Bench) -> None:
    request = request_for(bench.root, new_mark())
    where = bench.root / "missing" / "t.log"
    with AgentRun(shell(("echo", "hi")), request, clock=SystemClock(), transcript=where) as run:
        run.spawn()
        run.go()
        assert run.wait().verdict.failure is None
    assert run.transcript_trouble is not None
    assert str(where) in run.transcript_trouble


def test_an_exception_of_the_worker_ends_the_agent(bench: Bench) -> None:
    mark = new_mark()

    def broken() -> str | None:
        raise RuntimeError("the worker's fault")

    with AgentRun(shell(("sleep", "600")), request_for(bench.root, mark), clock=SystemClock()) as run:
        run.spawn()
        run.go()
        with pytest.raises(RuntimeError, match="the worker's fault"):
            run.wait(broken)
        assert proc.marked(mark) == []


def test_bytes_that_are_no_text_are_harmless(bench: Bench) -> None:
    code = "import os; os.write(1, bytes(range(256)) * 10 + b'\\n{\\xff\"type\": 1}\\n'); os.write(2, b'\\xff\\x00')"
    assert bench.run(python(code)).code is None
