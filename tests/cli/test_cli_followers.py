"""Verbs that follow something: their end, when nobody reads any more or nothing is left to read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hive.errors import ExitStatus, UnknownNameError
from hive.wire import change_requests, host

FOLLOWERS = {
    "logs": (["logs", "bob", "-f"], host.Logs, {"lines": ["one"]}),
    "events": (["events", "-f", "--after", "1"], host.Events, {"events": []}),
    "watch": (["watch", "bob"], host.Watch, {"live": []}),
    "inbox": (["inbox", "-f"], host.ShowInbox, {"messages": [], "cursor": 1}),
    "deploys": (["deploys", "-f", "1"], change_requests.FollowDeploy, {"lines": ["one"]}),
}

IGNORING_HANGUP = ("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh")

GONE = "hive-c0re: nobody reads this output any more, so it ends\n"


@pytest.fixture(params=FOLLOWERS)
def follower(request, daemon) -> list[str]:
    """The command line of a follower that gets one response and then nothing."""
    words, kind, response = FOLLOWERS[request.param]
    daemon.on(kind, {}, response)
    return [sys.executable, "-m", "hive.cli", *words]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.communicate()


def has_asked(daemon, process) -> None:
    """Wait until a follower has got its answer."""
    for _ in range(2000):
        if daemon.requests:
            return
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"it ended with {process.returncode}")
    raise AssertionError("it has not asked")


def test_it_ends_with_a_reader_that_closes_the_pipe(daemon, follower, started):
    reading, writing = os.pipe()
    process = subprocess.Popen(follower, stdout=writing, stderr=subprocess.PIPE)
    started.append(process)
    os.close(writing)
    has_asked(daemon, process)
    os.close(reading)  # and nothing more comes from the daemon
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err.decode()) == (141, GONE)


def test_it_ends_with_its_terminal_although_it_ignores_hang_ups(daemon, follower, started):
    ours, side = os.openpty()
    process = subprocess.Popen(
        [*IGNORING_HANGUP, *follower],
        stdin=side,
        stdout=side,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    started.append(process)
    os.close(side)
    has_asked(daemon, process)
    os.close(ours)
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err.decode().endswith(GONE)) == (141, True)


def test_it_says_that_what_it_follows_has_left(daemon, follower, started):
    _, kind, response = next(each for each in FOLLOWERS.values() if each[0] == follower[3:])
    daemon.on(kind, {}, response, UnknownNameError("'bob' has left the hive"))
    done = subprocess.run(follower, capture_output=True, timeout=30, check=False)

    assert done.returncode == ExitStatus.UNKNOWN_NAME
    assert done.stderr == b"hive-c0re: 'bob' has left the hive\n"


def test_output_to_a_file_is_followed_without_an_end(daemon, follower, started, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(follower, stdout=out, stderr=out)
    started.append(process)
    has_asked(daemon, process)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 130


def test_a_status_on_a_terminal_ends_when_its_participant_has_left(daemon, terminal):
    row = {"name": "bob", "running": True, "state": "running", "kind": "agent", "unread": 0}
    left = iter([[row]] * 3)
    daemon.answers[host.AgentStatus] = lambda _: [{"agent_statuses": next(left, [])}]
    shell = terminal("status", "bob", "--watch", "0.1")

    assert shell.end() == ExitStatus.UNKNOWN_NAME
    assert "there is no participant 'bob'" in shell.seen
    assert "Traceback" not in shell.seen


def test_a_status_on_a_terminal_ends_with_it(daemon, started, tmp_path):
    daemon.on(host.AgentStatus, {"agent_statuses": []})
    ours, side = os.openpty()
    process = subprocess.Popen(
        [*IGNORING_HANGUP, sys.executable, "-m", "hive.cli", "status", "--watch", "0.1"],
        stdin=side,
        stdout=side,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    started.append(process)
    os.close(side)
    has_asked(daemon, process)
    os.close(ours)
    _, err = process.communicate(timeout=20)

    assert (process.returncode, err.decode()) == (141, GONE)
