"""`events -f` shows each event once, also over restarts of the daemon, and says when it is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from hive.cli.event_following import EventCursor
from hive.errors import CursorTooOldError, ExitStatus, HiveError
from hive.wire import host
from tests.support.daemons import HiveOnDisk, eventually


def event(seq: int, kind: str = "started") -> dict[str, Any]:
    return {"seq": seq, "at": "2026-11-29T00:00:00Z", "event": kind, "name": "alice", "detail": {}}


class Log:
    """A daemon's side of requests for events: it pushes what there is, then hangs up."""

    def __init__(self, daemon: Any, *seqs: int) -> None:
        self.seqs = list(seqs)
        self.down_for = 0
        self.asked: list[host.Events] = []
        daemon.answers[host.Events] = self.answer
        daemon.hang_up = True

    def answer(self, request: host.Events) -> list[dict[str, Any] | HiveError]:
        self.asked.append(request)
        rows = [event(seq) for seq in self.seqs if seq > request.after]
        if not request.follow:
            return [{"events": rows[-request.max :] if request.max else []}]
        self.seqs.append(self.seqs[-1] + 1)  # meanwhile
        return [{}, *({"events": [row]} for row in rows)]


def first(cursor: EventCursor, count: int) -> list[int]:
    """Return the numbers of so many events."""
    rows = cursor.rows()
    return [next(rows)["seq"] for _ in range(count)]


def test_each_event_comes_once_however_often_the_daemon_hangs_up(daemon, capsys) -> None:
    log = Log(daemon, 1, 2, 3)
    cursor = EventCursor({}, most=2, after=None, since=None, pause=lambda _: None)
    assert first(cursor, 6) == [2, 3, 4, 5, 6, 7]
    assert [each.after for each in log.asked if each.follow][:3] == [3, 3, 4]
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [
        "hive-c0re: hive-c0re went away; waiting for the next one, then the events after 3 follow",
        "hive-c0re: hive-c0re is back",
    ]


def test_a_time_is_asked_for_only_until_there_was_an_event(daemon) -> None:
    log = Log(daemon, 7)
    cursor = EventCursor({"name": "alice"}, most=9, after=None, since=5.0, pause=lambda _: None)
    assert first(cursor, 2) == [7, 8]
    follows = [each for each in log.asked if each.follow]
    assert [(each.since, each.after) for each in follows[:2]] == [(5.0, 0), (None, 7)]
    assert {each.name for each in follows} == {"alice"}


def test_events_that_retention_has_deleted_meanwhile_end_it(daemon) -> None:
    daemon.answers[host.Events] = lambda request: (
        [CursorTooOldError.behind(3, 9)] if request.after else [{"events": [event(3)]}]
    )
    cursor = EventCursor({}, most=0, after=None, since=None, pause=lambda _: None)
    with pytest.raises(CursorTooOldError):
        next(cursor.rows())


def test_without_a_daemon_in_the_beginning_it_ends_at_once(run_dir, hive) -> None:
    assert hive("events", "-f").status == ExitStatus.NO_DAEMON
    assert hive("events", "-f", "--since", "1h").status == ExitStatus.NO_DAEMON


def test_it_ends_while_it_waits_when_nobody_reads_any_more(daemon) -> None:
    Log(daemon, 1)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "hive.cli", "events", "-f"], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert process.stderr is not None
    process.stderr.readline()
    os.close(reading)
    assert process.wait(30) == 141
    process.stderr.close()


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--since", "12"], host.Events(after=11)),
        (["--since", "1"], host.Events(since=0.0)),
        (["--since", "2026-11-29T00:00+00:00"], host.Events(since=1795910400.0)),
        (["--kind", "started", "--kind", "ended"], host.Events(kinds=["started", "ended"])),
        (["--name", "alice", "-n", "3"], host.Events(name="alice", max=3)),
    ],
)
def test_what_is_asked_for(daemon, hive, words, asked) -> None:
    daemon.on(host.Events, {"events": []})
    assert hive("events", *words).status == 0
    assert daemon.requests == [asked]


def test_a_kind_that_does_not_exist_is_refused_with_the_nearest(daemon, hive) -> None:
    ran = hive("events", "--kind", "startet")
    assert (ran.status, daemon.requests) == (ExitStatus.USAGE, [])
    assert "there are no events 'startet'; did you mean 'started'?" in ran.err


def test_after_and_since_do_not_go_together(daemon, hive) -> None:
    assert hive("events", "--after", "3", "--since", "1h").status == ExitStatus.USAGE


def test_the_real_daemon_is_killed_and_every_event_comes_once(tmp_path) -> None:
    hive = HiveOnDisk(tmp_path)
    hive.configure('[agents.alice]\nexec = ["sleep", "1000"]\n')
    hive.start()
    out, err = tmp_path / "out", tmp_path / "err"
    argv = [sys.executable, "-m", "hive.cli", "events", "-f", "--json", "--since", "1"]
    with out.open("w") as stdout, err.open("w") as stderr:
        follower = subprocess.Popen(argv, env=hive.env, stdout=stdout, stderr=stderr)
    try:
        hive.until_state("alice", "running")
        eventually(out.read_text, what="the first event")
        for life in (1, 2):
            hive.kill()
            hive.start()
            hive.ok("pause", "alice")
            hive.ok("resume", "alice")
            # One that is killed before the follower has come back was never there for it.
            eventually(
                lambda life=life: err.read_text().count("hive-c0re is back") == life,
                what=f"return {life} of the follower",
            )
        last = hive.json("events", "-n", "1")[0]["seq"]

        def seqs() -> list[int]:
            return [json.loads(line)["seq"] for line in out.read_text().splitlines()]

        eventually(lambda: (seqs() or [0])[-1] >= last, what=f"event {last}, {err.read_text()}")
        assert seqs()[:last] == [*range(1, last + 1)]
        assert err.read_text().count("hive-c0re is back") == 2
    finally:
        follower.terminate()
        follower.wait()
        hive.close()


def test_the_last_lines_of_an_agent_are_shortened_only_on_a_terminal(
    daemon, hive, terminal
) -> None:
    printed = ["Traceback", *("x" * 1000 for _ in range(9)), "ValueError: 3"]
    daemon.on(host.Events, {"events": [{**event(1, "ended"), "detail": {"last_lines": printed}}]})
    assert all(line in hive("events").out for line in printed)
    shell = terminal("events", columns=200)
    assert shell.end() == 0
    assert "Traceback" in shell.seen
    assert "more, see --json" in shell.seen
    assert "ValueError: 3" in shell.seen
    assert len(shell.seen) < 500
