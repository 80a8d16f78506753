"""The picture at the sizes and looks of real terminals, against files; and for any text at all.

`HIVE_WRITE_PICTURES=1 pytest tests/top/test_top_pictures.py` writes the files anew.
"""

from __future__ import annotations

import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hive.top.last_answers import LastAnswers
from hive.top.look import Look
from hive.top.opening import covered
from hive.top.picture import view
from hive.top.state import VIEWS, TopState
from hive.view.text import ASCII, UNICODE
from tests.top.swarm_answers import (
    NOW,
    SWARM,
    agent,
    ago,
    answers,
    event,
    message,
    pressed,
    rows_of,
    state_of,
    typed,
)

PICTURES = Path(__file__).parent / "pictures"

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u2066[bold red]x[/] \x9b31m\r\n\x08\u200b名前"

LOOKS = {"unicode": Look(UNICODE), "plain": Look(UNICODE, coloured=False), "ascii": Look(ASCII)}


def many() -> LastAnswers:
    """Return the answers of a hive with 200 agents."""
    kinds = [("running", "working"), ("running", "idle"), ("failed", None), ("stopped", None)]
    rows = [
        agent(
            f"a{number:03}",
            kinds[number % 4][0],
            activity=kinds[number % 4][1],
            activity_since=ago(number),
            since=ago(1000 - number),
            restarts=number % 3,
            reason="exited with status 1" if number % 4 == 2 else None,
        )
        for number in range(200)
    ]
    return answers(status=rows_of(*rows))


def hostile() -> LastAnswers:
    """Return the answers of a hive in which every text of others attacks the terminal."""
    fields = ("status_text", "reason", "cause", "activity_about", "project", "description")
    row = agent("evil", "failed", **dict.fromkeys(fields, HOSTILE), verdict=HOSTILE)
    item = {"id": "mail-1", "kind": "mail", "name": HOSTILE, "number": 1, "text": HOSTILE}
    ask = {
        **item,
        "id": "question-2",
        "kind": "question",
        "options": [HOSTILE],
        "blocks": [HOSTILE],
    }
    mail = message(1, HOSTILE, HOSTILE, HOSTILE)
    happened = {
        "seq": 1,
        "at": HOSTILE,
        "event": HOSTILE,
        "name": HOSTILE,
        "detail": {HOSTILE: HOSTILE},
    }
    return answers(
        status=rows_of(row, {**row, "name": HOSTILE}) | {"trouble": HOSTILE, "stopping": HOSTILE},
        attention={"items": [item, ask]},
        overview={"host": HOSTILE, "version": HOSTILE},
        messages={"messages": [mail]},
        events={"events": [happened, event(2, "ended", HOSTILE, reason=HOSTILE)]},
    )


EMPTY = answers(
    status=rows_of(), attention={"items": []}, messages={"messages": []}, events={"events": []}
)

LOST = LastAnswers(answers().found, {}, NOW - 42, lost="cannot connect to /run/host.sock")

CASES: dict[str, tuple[TopState, tuple[int, int], str]] = {
    "swarm-80x24": (state_of(), (80, 24), "unicode"),
    "swarm-120x40": (state_of(), (120, 40), "unicode"),
    "swarm-200x60": (state_of(), (200, 60), "unicode"),
    "swarm-120x40-ascii": (state_of(), (120, 40), "ascii"),
    "swarm-120x40-no-colour": (state_of(), (120, 40), "plain"),
    "grouped-120x40": (state_of(grouped=True), (120, 40), "unicode"),
    "problems-120x40": (state_of(problems=True, everything=True), (120, 40), "unicode"),
    "empty-80x24": (state_of(EMPTY), (80, 24), "unicode"),
    "not-yet-80x24": (TopState(), (80, 24), "unicode"),
    "lost-120x40": (state_of(LOST), (120, 40), "unicode"),
    "many-120x40": (state_of(many()), (120, 40), "unicode"),
    "many-80x24-last": (pressed(state_of(many()), "end")[0], (80, 24), "unicode"),
    "hostile-200x60": (state_of(hostile()), (200, 60), "unicode"),
    "item-120x24": (pressed(state_of(), "tab")[0], (120, 24), "unicode"),
    "question-80x24": (pressed(state_of(), "down", "x")[0], (80, 24), "unicode"),
    "prompt-80x24": (typed(pressed(state_of(), "m")[0], "wait for me"), (80, 24), "unicode"),
    "filter-80x24": (typed(pressed(state_of(), "/")[0], "web"), (80, 24), "unicode"),
    "messages-120x24": (pressed(state_of(), "4")[0], (120, 24), "unicode"),
    "events-80x24": (pressed(state_of(), "6")[0], (80, 24), "unicode"),
    "describe-120x40": (pressed(state_of(), "d")[0], (120, 40), "unicode"),
    "help-120x60": (pressed(state_of(), "?")[0], (120, 60), "unicode"),
    "narrow-40x10": (state_of(), (40, 10), "ascii"),
}


def styled(case: str) -> str:
    """Return the picture as a terminal gets it, with the escapes of its own written as words."""
    state, size, look = CASES[case]
    picture = view(state, size, LOOKS[look], NOW)
    console = Console(
        file=StringIO(), width=size[0], color_system="standard", force_terminal=True, no_color=False
    )
    console.print(picture, end="\n", highlight=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().replace("\x1b[", "«").replace("«0m", "»")


@pytest.mark.parametrize("case", CASES)
def test_the_picture(case: str) -> None:
    state, size, look = CASES[case]
    found = view(state, size, LOOKS[look], NOW).plain
    file = PICTURES / f"{case}.txt"
    if os.environ.get("HIVE_WRITE_PICTURES"):
        file.write_text(found)
    assert found == file.read_text()


@pytest.mark.parametrize("case", ["swarm-80x24", "item-120x24", "lost-120x40"])
def test_the_styles(case: str) -> None:
    file = PICTURES / f"{case}.styled.txt"
    if os.environ.get("HIVE_WRITE_PICTURES"):
        file.write_text(styled(case))
    assert styled(case) == file.read_text()


@pytest.mark.parametrize("case", CASES)
def test_it_fills_the_screen_exactly_and_is_safe(case: str) -> None:
    state, (width, height), look = CASES[case]
    picture = view(state, (width, height), LOOKS[look], NOW)
    assert len(picture.lines) == height
    for text in picture.lines:
        assert cell_len(text.plain) <= width
        assert UNSAFE.search(text.plain) is None


@pytest.mark.parametrize("case", [case for case in CASES if "no-colour" in case])
def test_without_colour_no_style_has_one(case: str) -> None:
    state, size, look = CASES[case]
    spans = [span for text in view(state, size, LOOKS[look], NOW).lines for span in text.spans]
    assert spans
    assert {str(span.style) for span in spans} <= {"bold", "dim", "reverse", "none"}


def test_ascii_is_ascii() -> None:
    assert view(state_of(), (120, 40), Look(ASCII), NOW).plain.isascii()


def test_hostile_text_is_shown_as_escapes_and_markup_as_it_is() -> None:
    shown = view(state_of(hostile()), (200, 60), Look(UNICODE), NOW).plain
    assert r"\x1b]0;owned\x07" in shown
    assert r"\u202egpj.exe" in shown
    assert "[bold red]x[/]" in shown


def test_a_stale_picture_has_no_colour_but_that_of_the_sentence_about_it() -> None:
    picture = view(state_of(LOST), (120, 40), Look(UNICODE), NOW)
    assert "last data 22:12:38Z (42s ago): cannot connect" in picture.lines[1].plain
    assert "coder" in picture.plain
    table = [text for text in picture.lines[2:-2] if "coder" in text.plain]
    assert table
    for text in table:
        assert {str(span.style) for span in text.spans} <= {"dim", "bold cyan", "reverse", "none"}


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_columns_are_dropped_in_their_order(width: int) -> None:
    shown = view(state_of(), (width, 40), Look(UNICODE), NOW).plain
    [titles] = [line.split() for line in shown.splitlines() if line.split()[:1] == ["NAME"]]
    dropped = ["TOKENS", "COST", "CPU", "RST", "MEM", "CTX", "TURN", "SEEN", "OLDEST", "IN"]
    kept = [title for title in dropped if title in titles]
    assert kept == dropped[len(dropped) - len(kept) :]
    assert [title for title in titles if title not in dropped] == ["NAME", "STATE", "FOR", "NOW"]


TEXTS = st.text(max_size=40)
STAMPS = st.one_of(st.none(), st.just(ago(5)), st.just(ago(-5)), st.just("nonsense"))
ROWS = st.fixed_dictionaries(
    {
        "name": st.text(min_size=1, max_size=40),
        "kind": st.sampled_from(["agent", "peer", "manager"]),
    },
    optional={
        "state": TEXTS,
        "tier": st.sampled_from(
            ["waiting", "failed", "idle", "unknown", "running", "stopped", "x"]
        ),
        "status_text": TEXTS,
        "status_set_at": STAMPS,
        "reason": TEXTS,
        "cause": TEXTS,
        "activity": TEXTS,
        "activity_about": TEXTS,
        "project": TEXTS,
        "since": STAMPS,
        "last_seen": STAMPS,
        "unread": st.integers(0, 10**9),
        "restarts": st.integers(0, 10**6),
        "memory_bytes": st.one_of(st.none(), st.integers(0, 2**60)),
        "cpu_percent": st.floats(0, 1e6),
        "context_fill": st.floats(0, 2),
        "failed": st.booleans(),
        "paused": st.booleans(),
        "last_lines": st.lists(TEXTS, max_size=3),
    },
)
ANY_ITEMS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=20),
        "kind": st.sampled_from(["question", "mail", "other"]),
    },
    optional={
        "name": st.one_of(st.none(), TEXTS),
        "number": st.one_of(st.none(), st.integers(0, 10**9)),
        "text": TEXTS,
        "since": STAMPS,
        "options": st.lists(TEXTS, max_size=12),
        "blocks": st.lists(TEXTS, max_size=3),
        "expires_at": STAMPS,
        "snoozed_until": STAMPS,
        "pinned": st.booleans(),
    },
)
BODIES = st.builds(lambda sender, to, body: message(5, sender, to, body), TEXTS, TEXTS, TEXTS)


@given(
    rows=st.lists(ROWS, max_size=8),
    items=st.lists(ANY_ITEMS, max_size=5),
    mail=st.lists(BODIES, max_size=3),
    size=st.tuples(st.integers(1, 200), st.integers(1, 60)),
    shown=st.sampled_from(VIEWS),
    grouped=st.booleans(),
)
def test_any_text_at_any_size(
    rows: list[Any],
    items: list[Any],
    mail: list[Any],
    size: tuple[int, int],
    shown: str,
    grouped: bool,
) -> None:
    found = answers(status=rows_of(*rows), attention={"items": items}, messages={"messages": mail})
    state = state_of(found, grouped=grouped, view="agents" if shown == "logs" else shown)
    picture = view(state, size, Look(UNICODE), NOW)
    assert len(picture.lines) == size[1]
    for text in picture.lines:
        assert cell_len(text.plain) <= size[0]
        assert UNSAFE.search(text.plain) is None


VALUES: list[Any] = [None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", "\x1b[2J", ago(5), [], [1]]
VALUES += ["2026-13-01T00:00:00Z", ["a", None], [{"a": []}], {}, {"a": 1}]
JSON = st.sampled_from(VALUES)
"""Values of every type."""


def junk(name: str, fields: str) -> st.SearchStrategy[Any]:
    """Return objects with one text, and anything at all in the other fields."""
    return st.fixed_dictionaries(
        {name: st.text(min_size=1, max_size=9)},
        optional=dict.fromkeys(fields.split(), JSON),
    )


STATUS_FIELDS = (
    "kind state tier tier_since since failed needs_login unread unread_since restarts project "
    "last_end_at cause reason verdict verdict_since activity activity_since context_fill paused "
    "context_at cost_today_usd memory_bytes resources_at cpu_percent snoozed_until archived"
)
ITEM_FIELDS = "kind name number text since options blocks expires_at snoozed_until pinned"
OVERVIEW_FIELDS = (
    "host version started_at sent_per_second store_bytes store_ok store_problem limits "
    "turns_running turns_limit turns_waiting frozen stopping"
)


@given(
    rows=st.lists(junk("name", STATUS_FIELDS), max_size=3),
    items=st.lists(junk("id", ITEM_FIELDS), max_size=3),
    mail=st.lists(junk("from", "id to body state sent_at ended_at attempt"), max_size=2),
    happened=st.lists(junk("at", "seq event name detail"), max_size=2),
    one=junk("more", OVERVIEW_FIELDS),
)
def test_answers_of_other_types_are_drawn_all_the_same(
    rows: list[Any], items: list[Any], mail: list[Any], happened: list[Any], one: dict[str, Any]
) -> None:
    found = answers(
        status=rows_of(*rows, agent("good")),
        attention={"items": items},
        messages={"messages": mail},
        events={"events": happened},
        overview=one,
    )
    state = state_of(found)
    assert " good " in view(state, (200, 60), UNICODE, NOW).plain
    for key in ("4", "6", "1", "up", "enter"):
        state, _ = pressed(state, key)
        view(state, (120, 40), UNICODE, NOW)


def test_a_row_that_cannot_be_read_does_not_blank_the_others() -> None:
    broken = {"name": "broken", "since": {"no": "time"}, "last_lines": 7, "state": "failed"}
    shown = view(state_of(answers(status=rows_of(broken, *SWARM))), (120, 40), UNICODE, NOW).plain
    assert "broken" in shown
    assert "unreadable" in shown
    assert "coder" in shown


def test_panes_are_safe_too() -> None:
    state = covered(state_of(hostile()), "output", HOSTILE, (HOSTILE, "[red]x[/]"))
    shown = view(state, (100, 30), UNICODE, NOW).plain
    assert UNSAFE.search(shown.replace("\n", "")) is None
    assert "[red]x[/]" in shown
