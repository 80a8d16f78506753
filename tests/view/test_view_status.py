"""The status of a hive: order, urgency, plain lines, and golden pictures of the table."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from hive.clock import rfc3339
from hive.view.columns import COLUMNS, DROPPED, FOR, NAME, NOTE, STATE, fit, note
from hive.view.status_lines import details, status_lines
from hive.view.table import STYLES, snapshot
from hive.view.text import ASCII, UNICODE
from hive.view.urgency import Urgency, in_order, summary, urgency

WIDE = """\
NAME        STATE            FOR  UNREAD  SEEN  KIND     RESTARTS   PID  SOURCE  NOTE
✖ scout     failed           11m       1     -  agent           3     -  kernel  killed by the kernel: out of memory
! ops       backoff           3s       5     -  agent           2     -  hive    restarts in 12s; exited with status 1
● hm1nd     running           1d      12    1s  manager         0  4000  kernel  planning the next release with everybo…
● tester    running           4m       0    2s  agent           1  4242  kernel  pytest -k broker
○ docs      stopped, paused   1m       0     -  agent           0     -  hive    -
◇ damocles  connected         2h       1   40s  peer            -     -  socket  day job
5 agents: 1 failed, 1 waiting, 2 running, 1 stopped; 1 peer; 19 unread
"""  # noqa: E501

NARROW = """\
NAME        STATE            FOR  UNREAD  SEEN  NOTE
✖ scout     failed           11m       1     -  killed by the kernel: out of me…
! ops       backoff           3s       5     -  restarts in 12s; exited with st…
● hm1nd     running           1d      12    1s  planning the next release with …
● tester    running           4m       0    2s  pytest -k broker
○ docs      stopped, paused   1m       0     -  -
◇ damocles  connected         2h       1   40s  day job
5 agents: 1 failed, 1 waiting, 2 running, 1 stopped; 1 peer; 19 unread
"""

TINY_ASCII = """\
NAME        STATE            FOR  NOTE
x scout     failed           11m  killed
! ops       backoff           3s  restar
* hm1nd     running           1d  planni
* tester    running           4m  pytest
o docs      stopped, paused   1m  -
- damocles  connected         2h  day jo
5 agents: 1 failed, 1 waiting, 2 running
"""

CROPPED = """\
NAME     STATE    FOR  UNREAD  SEEN  KIND     NOTE
✖ scout  failed   11m       1     -  agent    killed by the kernel: out of memory
! ops    backoff   3s       5     -  agent    restarts in 12s; exited with status…
● hm1nd  running   1d      12    1s  manager  planning the next release with ever…
… 3 more
5 agents: 1 failed, 1 waiting, 2 running, 1 stopped; 1 peer; 19 unread
the daemon has gone
"""


@pytest.mark.parametrize(
    ("width", "glyphs", "golden"),
    [(120, UNICODE, WIDE), (80, UNICODE, NARROW), (40, ASCII, TINY_ASCII)],
)
def test_the_table_at_several_widths(swarm, now, draw, width, glyphs, golden):
    picture = snapshot(swarm, now, width=width, glyphs=glyphs)

    assert draw(picture, width=width) == golden.splitlines()


def test_the_table_cropped_to_a_height(swarm, now, draw):
    picture = snapshot(swarm, now, width=82, height=7, glyphs=UNICODE, notice="the daemon has gone")

    assert draw(picture, width=82) == CROPPED.splitlines()


@pytest.mark.parametrize("width", [20, 30, 50, 79, 80, 200])
@pytest.mark.parametrize("height", [3, 4, 6, 8, 9, 50])
@pytest.mark.parametrize("notice", [None, "gone"])
def test_the_table_never_leaves_its_frame(swarm, now, draw, width, height, notice):
    lines = draw(
        snapshot(swarm, now, width=width, height=height, glyphs=UNICODE, notice=notice),
        width=width,
    )

    assert max(len(line) for line in lines) <= width
    assert len(lines) <= height + (1 if notice and height == 3 else 0)


def test_all_rows_are_drawn_when_they_just_fit(swarm, now, draw):
    lines = draw(snapshot(swarm, now, width=80, height=8, glyphs=UNICODE), width=80)

    assert len(lines) == 8
    assert not any("more" in line for line in lines)


def test_colour_has_the_meaning_of_the_words(swarm, now, console):
    target = console(120, colour=True)
    target.print(snapshot(swarm, now, width=120, glyphs=UNICODE))
    shown = target.file.getvalue()

    assert "\x1b[1;31m✖ scout" in shown
    assert "\x1b[32m● tester" in shown
    assert set(STYLES) == set(Urgency)


def test_no_markup_and_no_escapes_from_agents(now, row, draw):
    rows = [row("evil", "running", status_text="[red]x[/red] \x1b[2J\n:smile:")]

    lines = draw(snapshot(rows, now, width=100, glyphs=UNICODE))

    assert lines[1].endswith("[red]x[/red] \\x1b[2J\\n:smile:")


def test_a_hive_without_participants(now, draw):
    assert draw(snapshot([], now, width=80, glyphs=UNICODE), width=80)[-1] == "0 agents; 0 unread"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "failed"}, Urgency.FAILED),
        ({"state": "backoff"}, Urgency.WAITING),
        ({"state": "stray", "running": True}, Urgency.WAITING),
        ({"state": "unknown"}, Urgency.WAITING),
        ({"state": "running", "needs_login": True}, Urgency.WAITING),
        ({"state": "running"}, Urgency.RUNNING),
        ({"state": "starting"}, Urgency.RUNNING),
        ({"state": "stopping"}, Urgency.RUNNING),
        ({"state": "stopped"}, Urgency.STOPPED),
        ({"state": "ended"}, Urgency.STOPPED),
        ({"state": "connected", "kind": "peer"}, Urgency.PEER),
        ({"state": "unknown", "kind": "peer", "needs_login": True}, Urgency.PEER),
    ],
)
def test_urgency(row, fields, expected):
    assert urgency(row("x", **fields)) is expected


def test_order_does_not_depend_on_the_order_of_the_rows(swarm):
    expected = ["scout", "ops", "hm1nd", "tester", "docs", "damocles"]
    shuffler = random.Random(1)
    for _ in range(10):
        shuffler.shuffle(swarm)
        assert [each["name"] for each in in_order(swarm, 0.0)] == expected


def test_summary_leaves_out_counts_of_zero(row):
    assert summary([row("a", "running", unread=3)]) == "1 agent: 1 running; 3 unread"
    assert summary([row("p", "away", kind="peer")]) == "0 agents; 1 peer; 0 unread"


def test_the_summary_does_not_count_what_starts_or_stops_as_running(row):
    rows = [
        row("a", "stopping", running=True),
        row("b", "stopping", running=True),
        row("c", "starting"),
        row("d", "running", running=True),
        row("e", "stopped"),
        row("f", "stopping", failed=True),
    ]
    assert summary(rows).startswith(
        "6 agents: 1 failed, 1 running, 1 starting, 2 stopping, 1 stopped;"
    )


def test_columns_are_dropped_in_the_documented_order():
    widths = dict.fromkeys(COLUMNS, 8)

    shown = [set(fit(widths, width)) for width in range(200, 0, -1)]

    dropped = []
    for before, after in pairwise(shown):
        assert after <= before
        dropped += sorted(before - after, key=DROPPED.index)
    assert tuple(dropped) == DROPPED
    assert shown[-1] == {NAME, STATE, FOR, NOTE}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "running", "status_text": "busy"}, "busy"),
        ({"state": "running", "status_text": "busy", "reason": "no socket"}, "no socket; busy"),
        ({"kind": "peer", "state": "away", "reason": "no socket"}, "no socket"),
        ({"state": "stopped", "status_text": "busy", "reason": "asked to"}, "asked to"),
        ({"state": "failed", "reason": None}, "-"),
        ({"state": "running", "needs_login": True, "reason": "r"}, "needs login; r"),
        ({"state": "running", "needs_update": True, "status_text": "t"}, "needs update; t"),
    ],
)
def test_the_note_is_the_most_important_fact(row, now, fields, expected):
    assert NOTE.cell(row("x", **fields), now) == expected


def test_a_conflict_is_in_the_note_and_in_the_details_and_escaped(row, now):
    shown = row("x", "running", conflict="'x' is a peer in hive.toml\x1b[2J; release it")
    assert NOTE.cell(shown, now) == "'x' is a peer in hive.toml\\x1b[2J; release it"
    assert any("Conflict: 'x' is a peer" in line for line in details(shown, now, ASCII))


def test_plain_lines_are_aligned_and_whole(swarm, now):
    title, *lines = status_lines(swarm, now)

    assert [line.split()[0] for line in lines] == [
        "scout", "ops", "hm1nd", "tester", "docs", "damocles",
    ]  # fmt: skip
    note = title.index("NOTE")
    assert lines[2][note:] == "planning the next release with everybody"
    assert all(line[note - 2 : note] == "  " for line in lines)
    assert title.split() == [column.title for column in COLUMNS]


def test_details_of_a_failed_agent(now, row):
    lines = details(
        row(
            "scout",
            "failed",
            since="2023-11-14T22:02:20Z",
            restarts=3,
            source="kernel",
            reason="killed by the kernel: out of memory",
            connected=False,
            next_restart_at="2023-11-14T22:13:32Z",
            status_text="x\x1by",
            status_set_at="2023-11-14T22:13:10Z",
            needs_login=True,
            needs_update=True,
            last_end="killed by the kernel: out of memory",
            last_end_at="2023-11-14T22:02:20Z",
            last_result="oom-kill",
            last_lines=["a", "b\x1b[K"],
        ),
        now,
        UNICODE,
    )

    assert lines == [
        "✖ scout - failed",
        "          Kind: agent",
        "         Since: 11m ago (2023-11-14T22:02:20Z)",
        "        Source: kernel",
        "           PID: -",
        "        Reason: killed by the kernel: out of memory",
        "      Restarts: 3",
        "        Unread: 0",
        "     Connected: no",
        "     Last seen: -",
        "  Next restart: in 12s (2023-11-14T22:13:32Z)",
        "      Last end: killed by the kernel: out of memory, 11m ago (2023-11-14T22:02:20Z)",
        "        Result: oom-kill",
        "        Status: x\\x1by, 10s ago (2023-11-14T22:13:10Z)",
        "         Needs: login, update",
        "",
        "Last lines:",
        "  a",
        "  b\\x1b[K",
    ]


def test_details_show_unknown_values(now):
    lines = details({"name": "x"}, now, ASCII)

    assert lines[0] == "o x - unknown"
    assert lines[1:] == [
        "       Kind: -",
        "      Since: -",
        "     Source: -",
        "        PID: -",
        "     Reason: -",
        "   Restarts: -",
        "     Unread: -",
        "  Connected: -",
        "  Last seen: -",
    ]


def test_the_activity_is_in_the_note_and_in_the_details(now):
    busy = {
        "name": "alice",
        "state": "running",
        "running": True,
        "activity": "limited",
        "activity_since": "2023-11-14T22:03:20Z",
        "activity_until": "2023-11-14T23:13:20Z",
        "activity_about": "5 hours used up",
        "activity_at": "2023-11-14T22:13:15Z",
        "status_text": "building",
        "account": "acme",
    }
    assert note(busy, now) == "limited 10m, 1h to go: 5 hours used up; building"
    assert note({**busy, "activity": "idle"}, now) == "building"
    assert note({**busy, "activity": "unknown"}, now) == "building"
    shown = "\n".join(details(busy, now, ASCII))
    assert "limited 10m, 1h to go: 5 hours used up, reported 5s ago (" in shown
    assert "acme" in shown
    assert "unknown" in "\n".join(details({"name": "a", "activity": "unknown"}, now, ASCII))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cause": "boom: no such key"}, ": boom: no such key"),
        ({"cause": "\x1b[2Jboom"}, ": \\x1b[2Jboom"),
        ({"cause": "exited with status 7"}, ""),
        ({"cause": None}, ""),
        ({"cause": "killed: out of memory", "reason": "killed: out of memory"}, ""),
    ],
)  # fmt: skip
def test_the_note_of_a_failure_has_its_cause_unless_the_reason_says_it(row, now, fields, expected):
    known = {"reason": "exited with status 7", "state": "failed", **fields}
    assert NOTE.cell(row("x", **known), now) == known["reason"] + expected


def test_the_note_has_the_verdict_on_the_turns(row, now):
    judged = row("x", "running", verdict="no_outcome", verdict_since="2023-11-14T22:03:20Z")
    assert note(judged, now) == "no outcome 10m"
    judged |= {"verdict_source": "the record of the turn"}
    assert note(judged, now) == "no outcome 10m (by the record of the turn)"


def test_details_say_what_a_participant_is(now, row):
    lines = details(row("damocles", "away", description="my day job\x1b[2J"), now, ASCII)
    assert [each.strip() for each in lines if "Description" in each] == [
        "Description: my day job\\x1b[2J"
    ]
    assert not any("Description" in each for each in details(row("damocles", "away"), now, ASCII))


def test_an_agent_that_ends_again_and_again_keeps_its_place(row) -> None:
    now = 1_700_000_000.0

    def flappy(state: str, ended: float, **more: Any) -> dict[str, Any]:
        running = state == "running"
        last = rfc3339(now - ended)
        return row("flappy", state, running=running, restarts=3, last_end_at=last, **more)

    others = [row("alice", "running", running=True), row("zoe", "running", running=True)]
    waiting = flappy("backoff", 1, next_restart_at=rfc3339(now + 1))
    for state in (waiting, flappy("running", 2), flappy("starting", 1), flappy("running", 59)):
        assert in_order([*others, state], now)[0]["name"] == "flappy"
    settled = in_order([*others, flappy("running", 60)], now)
    assert [each["name"] for each in settled] == ["alice", "flappy", "zoe"]
    by_hand = {**flappy("running", 2), "restarts": 0}
    assert in_order([*others, by_hand], now)[0]["name"] == "alice", "no restart of its own"


def test_a_status_line_has_its_age(row) -> None:
    now = 1_700_000_000.0
    said = row("a", "running", status_text="reading", status_set_at=rfc3339(now - 240))

    assert note(said, now).endswith("reading (4m ago)")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"pinned": True, "archived": None}, "Marked: pinned"),
        (
            {"archived": True, "snoozed_until": "1970-01-01T02:00:00.000Z"},
            "Marked: archived, snoozed, wakes in 2h (1970-01-01T02:00:00.000Z)",
        ),
        ({"pinned": None}, None),
    ],
)
def test_the_marks_of_a_participant_are_in_its_details(fields, line):
    lines = [each.strip() for each in details({"name": "alice", **fields}, 0.0, ASCII)]
    assert [each for each in lines if each.startswith("Marked")] == ([line] if line else [])


def test_details_have_the_chosen_model_beside_that_in_use(now):
    row = {"name": "alice", "state": "stopped", "chosen_model": "opus", "chosen_effort": "high"}
    stopped = "\n".join(details(row, now, ASCII))
    assert "Chosen model" in stopped
    assert "opus" in stopped
    assert "Chosen effort" in stopped
    assert "Chosen" not in "\n".join(details({"name": "alice", "active_model": "opus"}, now, ASCII))
