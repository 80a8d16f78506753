"""The header: the host, the counts, the limits, the health; and the notices below it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from hive.escapes import inline
from hive.quantities import counted
from hive.top.attention_items import attention_items, is_put_off
from hive.top.look import Fragment
from hive.top.state import TopState
from hive.view.agent_cells import bytes_words
from hive.view.places import counts_by_tier
from hive.view.row_fields import UNREADABLE, Row, objects, stamp, whole
from hive.view.text import age, span, until

Part = list[Fragment]
"""A part of the header that a narrow terminal drops whole."""


def header(state: TopState, now: float) -> list[tuple[Part, ...]]:
    """Return the parts of the header, the most needed first, each long and, if needed, short."""
    answers = state.answers
    one = answers.overview
    waiting = sum(not is_put_off(item, now) for item in attention_items(answers))
    name = inline(one.get("name") or one.get("host") or "hive")
    role = "waiting" if waiting else "dim"
    return [
        ([(f"{name} ", "title"), (_clock(now), "")],),
        ([(f"{waiting} waiting for you", role)], [(f"{waiting} for you", role)]),
        *_counts(state),
        *((part,) for part in _readable(_limits, one, now)),
        *((part,) for part in _readable(_facts, one, now)),
    ]


def notices(state: TopState, now: float) -> Iterator[Fragment]:
    """Yield the lines below the header: what is wrong with the picture or the daemon itself."""
    answers = state.answers
    if answers.lost is not None:
        since = "no answer yet" if answers.at is None else _last_data(answers.at, now)
        yield f"{since}: {inline(answers.lost)}; trying again", "error"
    for sentence in answers.notices:
        yield inline(sentence), "notice"
    one = answers.overview
    frozen = one.get("frozen")
    if frozen:
        count = len(frozen) if isinstance(frozen, list) else whole(one, "frozen")
        yield f"{counted(count, 'agent')} frozen by estop; 'thaw' lets them go on", "notice"
    if one.get("store_ok") is False and not one.get("store_problem"):
        yield "the store accepts no writes", "error"


def hidden_words(state: TopState) -> str:
    """Return which rows are hidden, or how they are grouped: words for the rule above a pane."""
    words = []
    if state.filter:
        words.append(f"filter: {inline(state.filter)}")
    if state.problems:
        words.append("problems only")
    if state.grouped:
        words.append("by project")
    if state.everything:
        words.append("with snoozed and archived")
    return ", ".join(words)


def _readable(
    parts: Callable[[Row, float], Iterator[Part]], one: Row, now: float
) -> Iterator[Part]:
    """Yield parts of the header; what cannot be read is left out."""
    try:
        yield from parts(one, now)
    except UNREADABLE:
        yield [("part of the overview is unreadable", "notice")]


def _last_data(at: float, now: float) -> str:
    return f"last data {_clock(at)} ({span(now - at)} ago)"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def _counts(state: TopState) -> Iterator[tuple[Part, ...]]:
    """Yield the counts of agents, by tier, and of peers; nothing before the first answer."""
    if "status" not in state.answers.found:
        return
    rows = state.answers.statuses
    peers = sum(row.get("kind") == "peer" for row in rows)
    peer_words = [counted(peers, "peer")] if peers else []
    short = ", ".join([counted(len(rows) - peers, "agent"), *peer_words])
    yield [("; ".join(counts_by_tier(rows, state.places)), "")], [(short, "")]


def _limits(one: Row, now: float) -> Iterator[Part]:
    rows = list(objects(one.get("limits")))
    if "limits" in one and not rows:
        yield [("limits: none used up", "dim")]
    for row in rows[:2]:
        names = ", ".join(map(inline, row.get("names") or ()))
        text = (
            f"limit of {inline(row.get('account'))} used up, {until(row.get('until'), now)} to go"
        )
        yield [(f"{text} ({names})" if names else text, "waiting")]


def _facts(one: Row, now: float) -> Iterator[Part]:
    limit = one.get("turns_limit")
    if isinstance(one.get("turns_running"), int):
        turns = f"turns: {one['turns_running']}" + (f" of {inline(limit)}" if limit else "")
        queued = one.get("turns_waiting")
        count = queued if isinstance(queued, int) else len(queued or ())
        yield [(turns + (f", {count} wait" if count else ""), "")]
    if isinstance(one.get("sent_per_second"), int | float):
        yield [(f"mail: {one['sent_per_second']:.1f}/s", "")]
    if one.get("store_bytes") is not None:
        free = bytes_words(one.get("store_free_bytes"))
        good = "ok" if one.get("store_ok", True) else "failed"
        yield [(f"store: {good}, {bytes_words(one['store_bytes'])}, {free} free", "")]
    if stamp(one, "started_at") is not None:
        yield [(f"up {age(one.get('started_at'), now)}", "")]
    if one.get("version"):
        yield [(f"hive-c0re {inline(one['version'])}", "dim")]
