"""The embedded Valkey: started once, joined by all, whole after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from core.config import Settings
from core.runtime import valkey
from core.runtime.valkey import EmbeddedValkey, ValkeyError, redis_url, stop_embedded


@pytest.fixture
def settings() -> Iterator[Settings]:
    # Short: a unix socket lies below it.
    folder = Path(tempfile.mkdtemp(prefix="mainstem-", dir="/tmp"))
    loaded = Settings.load({"MAINSTEM_INSTANCE": str(folder)})
    yield loaded
    stop_embedded(loaded)
    shutil.rmtree(folder)


def process_id(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def runs(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def kill(url: str) -> None:
    """Kill the server like a crash does, and see it gone."""
    with redis.Redis.from_url(url) as client:
        connection = client.connection_pool.get_connection()
        os.kill(process_id(url), signal.SIGKILL)
        with pytest.raises(redis.ConnectionError):  # the kernel hangs up
            connection.read_response()
        connection.disconnect()


def test_a_given_redis_is_used_and_none_is_started(settings):
    given = replace(settings, redis_url="redis://cache/0")
    assert redis_url(given) == "redis://cache/0"
    assert not (settings.instance / "valkey").exists()


def test_the_first_starts_it_and_the_others_join(settings):
    first = redis_url(settings)
    assert process_id(redis_url(settings)) == process_id(first)


def test_processes_that_start_at_once_share_one_server(settings):
    script = (
        "import sys; from core.config import Settings; from core.runtime.valkey import redis_url; import redis; "
        "sys.stdin.readline(); "
        f"url = redis_url(Settings.load({{'MAINSTEM_INSTANCE': {str(settings.instance)!r}}})); "
        "print(redis.Redis.from_url(url).info('server')['process_id'])"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in processes]
    assert answers == [f"{process_id(redis_url(settings))}\n"] * 4


def test_it_outlives_the_process_that_started_it_and_keeps_out_of_reach_of_others(settings):
    url = redis_url(settings)
    assert os.getsid(process_id(url)) != os.getsid(0)
    socket = settings.instance / "valkey" / "valkey.sock"
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o077 == 0
    with redis.Redis.from_url(url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_stopping_ends_it_and_keeps_its_data(settings):
    url = redis_url(settings)
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
    server = process_id(url)
    stop_embedded(settings)
    assert not runs(url)
    with pytest.raises(ProcessLookupError):  # not even a zombie
        os.kill(server, 0)
    with redis.Redis.from_url(redis_url(settings)) as client:
        assert client.get("kept") == b"yes"


def test_any_process_may_stop_it(settings):
    url = redis_url(settings)
    script = (
        "from core.config import Settings; from core.runtime.valkey import stop_embedded; "
        f"stop_embedded(Settings.load({{'MAINSTEM_INSTANCE': {str(settings.instance)!r}}}))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert not runs(url)


def test_stopping_what_does_not_run_does_nothing(settings):
    stop_embedded(settings)
    assert not (settings.instance / "valkey").exists()
    redis_url(settings)
    stop_embedded(settings)
    stop_embedded(settings)


def test_a_killed_server_is_started_again_with_its_data(settings):
    url = redis_url(settings)
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        client.waitaof(1, 0, 10_000)  # as a crash may come a second later
    dead = process_id(url)
    kill(url)
    assert not runs(url)
    with redis.Redis.from_url(redis_url(settings)) as client:
        assert client.get("kept") == b"yes"
    assert process_id(url) != dead


@pytest.mark.parametrize("name", ["a % b?#c", "x" * 200])
def test_a_deep_or_odd_instance_folder_will_do(settings, monkeypatch, name: str):
    monkeypatch.setattr(tempfile, "tempdir", str(settings.instance))
    server = EmbeddedValkey(settings.instance / name)
    try:
        assert runs(server.start())
        kill(server.url)
        assert runs(server.start())
        kill(server.url)
    finally:
        server.stop()
    assert not list(settings.instance.rglob("*.sock"))
    assert not list(settings.instance.glob("mainstem-*"))


def test_a_folder_taken_by_another_user_is_refused(settings, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(settings.instance))
    server = EmbeddedValkey(settings.instance / ("x" * 200))
    monkeypatch.setattr(os, "getuid", lambda: 12_345)
    with pytest.raises(ValkeyError, match="belongs to another user"):
        server.start()


def test_a_server_that_loads_its_data_is_waited_for(settings, monkeypatch):
    redis_url(settings)
    answers = iter([False, False, True])

    def ping(client: redis.Redis) -> bool:
        if not next(answers):
            raise redis.BusyLoadingError
        return True

    with monkeypatch.context() as patch:
        patch.setattr(redis.Redis, "ping", ping)
        redis_url(settings)
    assert list(answers) == []


def test_a_server_that_cannot_load_its_data_is_told_with_the_log(settings):
    redis_url(settings)
    stop_embedded(settings)
    for file in (settings.instance / "valkey" / "appendonlydir").glob("*.manifest"):
        file.write_text("damaged\n")
    with pytest.raises(ValkeyError, match=r"did not start; see .*/valkey\.log"):
        redis_url(settings)


def test_a_machine_without_the_binary_is_told_to_set_redis_url(settings, monkeypatch):
    monkeypatch.setattr(valkey, "find_spec", lambda name: None)
    with pytest.raises(ValkeyError, match="set REDIS_URL"):
        redis_url(settings)


def test_a_server_that_hangs_is_told(settings, monkeypatch):
    url = redis_url(settings)
    monkeypatch.setattr(valkey, "_ANSWER_SECONDS", 0.1)
    stopped = process_id(url)
    os.kill(stopped, signal.SIGSTOP)
    try:
        with pytest.raises(ValkeyError, match="does not answer"):
            redis_url(settings)
    finally:
        os.kill(stopped, signal.SIGCONT)
