"""Child processes: none is left over, and one that dies is named with the end of its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import psutil
import pytest

from core.cli.children import Children
from tests.cli.conftest import ROOT, Processes


def sandbox(children: Children, processes: Processes, name: str, port: int) -> int:
    child = children.start(name, ["sandbox", "shop", "--json", "--port", str(port)], processes.environ)
    assert child.process.stdout
    assert child.process.stdout.readline().startswith("{")
    return child.process.pid


def test_they_are_stopped_at_the_end_the_last_one_first(
    processes: Processes, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
):
    stopped = []
    send = os.kill

    def note(pid: int, number: int) -> None:
        stopped.append((pid, number))
        send(pid, number)

    monkeypatch.setattr(os, "kill", note)
    with Children(tmp_path / "logs") as children:
        first = sandbox(children, processes, "first", free_port)
        second = children.start(
            "second", ["sandbox", "shop", "--json", "--port", str(free_port + 1)], processes.environ
        )
        children.check()
    assert [pid for pid, number in stopped if number == signal.SIGTERM] == [second.process.pid, first]
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second.process.pid)
    assert "the shop is open" in (tmp_path / "logs" / "first.log").read_text()


def test_they_are_stopped_when_the_command_fails(processes: Processes, tmp_path: Path, free_port: int):
    pids = []

    def fail() -> None:
        with Children(tmp_path) as children:
            pids.append(sandbox(children, processes, "only", free_port))
            raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        fail()
    assert not psutil.pid_exists(pids[0])


def test_one_that_ends_by_itself_is_named_with_the_end_of_its_log(processes: Processes, tmp_path: Path):
    with Children(tmp_path) as children:
        child = children.start("wild bull", ["sandbox", "stall"], processes.environ)
        child.process.wait()
        with pytest.raises(click.ClickException) as told:
            children.check()
    first, *log = told.value.message.splitlines()
    assert first == f"The wild bull ended by itself (exit code 1); the end of {tmp_path}/wild-bull.log:"
    assert log == ["Error: unknown plugin 'stall': known are shop"]


def test_one_that_was_killed_is_told_by_signal(processes: Processes, tmp_path: Path, free_port: int):
    with Children(tmp_path) as children:
        os.kill(sandbox(children, processes, "victim", free_port), signal.SIGKILL)
        children._children[0].process.wait()
        with pytest.raises(click.ClickException, match="The victim ended by itself \\(signal SIGKILL\\)"):
            children.check()


class Dropped:
    """Asks this process to end while Python finalizes it, where it drops exceptions."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_is_asked_to_end_where_exceptions_get_lost_learns_it_at_the_next_check(tmp_path: Path):
    def go_on() -> None:
        with Children(tmp_path) as children:
            Dropped()
            children.check()

    with pytest.raises(KeyboardInterrupt):
        go_on()


def test_a_second_signal_does_not_cut_the_stopping_short(processes: Processes, tmp_path: Path, free_port: int):
    pids: list[int] = []

    def insist() -> None:
        assert not psutil.pid_exists(pids[0])
        signal.raise_signal(signal.SIGINT)
        pids.clear()

    def leave() -> None:
        with Children(tmp_path, afterwards=insist) as children:
            pids.append(sandbox(children, processes, "only", free_port))
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert not pids
    assert signal.getsignal(signal.SIGINT) is before


def test_they_end_when_the_command_is_killed(processes: Processes, tmp_path: Path, free_port: int):
    program = """
import sys, time
from pathlib import Path
import os
from core.cli.children import Children

with Children(Path(sys.argv[1])) as children:
    child = children.start("orphan", ["sandbox", "shop", "--json", "--port", sys.argv[2]], os.environ)
    child.process.stdout.readline()
    print(child.process.pid, flush=True)
    time.sleep(600)
"""
    command = [sys.executable, "-c", program, str(tmp_path), str(free_port)]
    with subprocess.Popen(command, env=dict(processes.environ), cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        orphan = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    orphan.wait()
