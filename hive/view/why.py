"""Why a participant does what it does, or does nothing: from facts to sentences. Pure.

Each reason is a rule of its own, and the rules are in the order of what comes first: what stands
behind another reason has no effect before that one is gone. So the first sentence is the answer.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hive.quantities import counted
from hive.view.columns import state
from hive.view.text import age, moment, seconds, until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"

ATTACHED = "an operator is attached to its conversation"
"""The reason of a status row while an operator is attached."""


class Reason(namedtuple("Reason", "what source since command", defaults=(None, None))):
    """One reason.

    Attributes:
        what: A sentence.
        source: Who says so.
        since: Time since which it holds; None if that is unknown.
        command: The command that changes it; None if there is none.
    """

    __slots__ = ()

    what: str
    source: str
    since: str | None
    command: str | None


class WhyFacts(
    namedtuple(
        "WhyFacts",
        "row now trouble stopping turns limits loops questions unread",
        defaults=(None, None, {}, (), (), (), ()),
    )
):
    """What is known about a participant and what it depends on, as host.sock has it.

    Attributes:
        row: Its status row.
        now: Wall time in seconds.
        trouble: Why the store takes no writes; None if it does.
        stopping: How far the stop of the daemon is; None while it serves.
        turns: The cap of turns, `turns` of `queues`.
        limits: Accounts that are used up.
        loops: Pairs that looped.
        questions: Open questions of all participants.
        unread: Its unread mail, oldest first.
    """

    __slots__ = ()

    row: Row
    now: float
    trouble: str | None
    stopping: str | None
    turns: Row
    limits: Sequence[Row]
    loops: Sequence[Row]
    questions: Sequence[Row]
    unread: Sequence[Row]

    @property
    def name(self) -> str:
        """Name of the participant."""
        return str(self.row["name"])

    @property
    def source(self) -> str:
        """Who says in which state it is."""
        return str(self.row.get("source") or "hive")

    @property
    def is_peer(self) -> bool:
        """Whether its lifecycle is not the hive's."""
        return self.row.get("kind") == "peer"


def reasons(facts: WhyFacts) -> list[Reason]:
    """Return the reasons, the one that decides first."""
    found = [reason for rule in _RULES for reason in rule(facts)]
    said = facts.row.get("reason")
    if said and not any(said in each.what for each in found):
        found.insert(0, Reason(f"it is so because of this: {said}", facts.source))
    return found or [_nothing(facts)]


def headline(row: Row, now: float) -> str:
    """Return the state of a participant as `status` has it, with what it does."""
    doing = row.get("activity")
    words = state(row)
    if doing in {None, "unknown"} or doing == row.get("state"):
        return words
    return f"{words}; {doing} for {age(row.get('activity_since'), now)}"


def _daemon(facts: WhyFacts) -> Iterator[Reason]:
    if facts.stopping is not None:
        yield Reason(f"the daemon ends: {facts.stopping}", "hive", None, "hive-c0re serve")
    if facts.trouble is not None:
        yield Reason(
            f"nothing can be stored, so no mail is delivered: {facts.trouble}",
            "store",
            None,
            "hive-c0re doctor --db",
        )


def _lifecycle(facts: WhyFacts) -> Iterator[Reason]:
    """Yield why an agent does not run; see the states of `StatusRow`."""
    row, name, start = facts.row, facts.name, f"hive-c0re start {facts.name}"
    why = row.get("reason") or row.get("last_end") or "no reason is known"
    since = row.get("since") or row.get("last_end_at")
    match row.get("state"):
        case "failed":
            times = counted(row.get("restarts") or 0, "restart")
            what = f"it was given up after {times}, and nothing starts it by itself: {why}"
            yield Reason(what + _last_line(row), facts.source, since, start)
        case "backoff":
            due = until(row.get("next_restart_at"), facts.now)
            what = f"it ended and is started again in {due}: {why}"
            yield Reason(what + _last_line(row), facts.source, since, start)
        case "queued":
            what = f"its start waits, and goes on by itself: {why}"
            yield Reason(what, "hive", None, start)
        case "stray":
            yield Reason(f"its container runs although it should not: {why}", facts.source, since)
        case "stopped":
            what = f"it was stopped, and stays so until it is started: {why}"
            yield Reason(what, "hive", since, start)
        case "ended":
            what = f"it has ended, and the daemon has not started it again: {why}"
            yield Reason(what + _last_line(row), facts.source, since, start)
        case "starting":
            yield Reason("it is being started", facts.source, None, f"hive-c0re logs {name}")
        case "stopping":
            yield Reason(
                "it is being stopped", facts.source, None, f"hive-c0re kill --force {name}"
            )
        case "away":
            yield Reason(
                "no program of it is connected, and its lifecycle is not the hive's; its mail "
                "waits in its inbox",
                "socket",
                row.get("last_seen"),
            )


def _last_line(row: Row) -> str:
    lines = [line.strip() for line in row.get("last_lines") or () if str(line).strip()]
    return f": {lines[-1][:160]}" if lines else ""


def _holds(facts: WhyFacts) -> Iterator[Reason]:
    """Yield what the operator or the hive holds back."""
    row, name = facts.row, facts.name
    if row.get("frozen_since"):
        what = "it is frozen by 'estop': nothing of it runs, and it gets no mail"
        yield Reason(what, "hive", row["frozen_since"], f"hive-c0re thaw {name}")
    if row.get("paused"):
        what = "it is paused by the operator: its mail waits in its inbox"
        yield Reason(what, "hive", None, f"hive-c0re resume {name}")
    if row.get("reason") == ATTACHED:
        yield Reason(f"{ATTACHED}: its turns wait until that session ends", "hive")
    for each in facts.loops:
        if name in each.get("pair", ()):
            pair = each["pair"]
            [other] = set(pair) - {name} or {name}
            parked = counted(each.get("parked") or 0, "message")
            yield Reason(
                f"it looped with {other}: {each.get('reason')}; {parked} between them are parked"
                + _as_in_status(row),
                "broker",
                each.get("since"),
                f"hive-c0re reset-loop {' '.join(pair)}",
            )


def _as_in_status(row: Row) -> str:
    """Return the words of the status row about a loop, so that both say the same."""
    said = str(row.get("reason") or "")
    return f" ({said})" if said.startswith("in a loop with") else ""


def _account(facts: WhyFacts) -> Iterator[Reason]:
    row, name = facts.row, facts.name
    if row.get("needs_login"):
        about = row.get("activity_about") or "no reason is known"
        yield Reason(f"it needs a login: {about}", "harness", row.get("activity_since"))
    for each in facts.limits:
        if name in each.get("names", ()) or each.get("account") == row.get("account"):
            yield Reason(
                f"its account {each.get('account')} is used up until "
                f"{moment(each.get('until'), facts.now)}: {each.get('reason')}",
                "harness",
                each.get("since"),
                f"hive-c0re limits --clear {each.get('account')}",
            )


def _turns(facts: WhyFacts) -> Iterator[Reason]:
    """Yield what keeps its harness from a turn, and what the turn that runs is about."""
    row, name = facts.row, facts.name
    for each in facts.turns.get("waiting") or ():
        if each.get("name") == name:
            running, limit = facts.turns.get("running"), facts.turns.get("limit")
            what = f"it waits for a turn: {running} of {limit} run"
            yield Reason(what, "broker", each.get("since"), "hive-c0re queues")
    doing, about = row.get("activity"), row.get("activity_about")
    since, rest = row.get("activity_since"), f": {about}" if about else ""
    if doing == "paused" and not row.get("paused") and row.get("reason") != ATTACHED:
        yield Reason(f"its harness begins no turn{rest}", "harness", since)
    if doing in {"working", "compacting"}:
        what = f"it is {doing}{rest}"
        yield Reason(what, "harness", since, f"hive-c0re watch {name}")
    if doing == "failed":
        what = f"its last turn failed{rest}"
        yield Reason(what, "harness", since, f"hive-c0re turns {name}")
    if doing == "waiting":
        yield Reason(f"it waits{rest}", "harness", since)
    if doing == "limited" and not facts.limits:
        yield Reason(f"its harness says that its account is used up{rest}", "harness", since)


def _questions(facts: WhyFacts) -> Iterator[Reason]:
    for each in facts.questions:
        if each.get("asker") == facts.name:
            number = each.get("id")
            what = f"it asked {each.get('to')} question {number}, which has no answer yet"
            yield Reason(what, "broker", each.get("asked_at"), f"hive-c0re answer {number} ANSWER")


def _mail(facts: WhyFacts) -> Iterator[Reason]:
    """Yield what is unread, and why it is not delivered."""
    row, name, show = facts.row, facts.name, f"hive-c0re inbox {facts.name} --unread"
    if not facts.unread:
        return
    by_state: dict[str, list[Row]] = {}
    for each in facts.unread:
        by_state.setdefault(_state_of(each, facts.now), []).append(each)
    for word, (one, many) in _OF_MAIL.items():
        if found := by_state.get(word):
            what = one if len(found) == 1 else many
            oldest = min(str(each.get("sent_at")) for each in found)
            ending = f", the first one in {_due(found, facts.now)}" if word == "deferred" else ""
            yield Reason(f"{counted(len(found), 'message')} {what}{ending}", "broker", oldest, show)
    if not row.get("connected") and row.get("state") in {"running", "connected"}:
        yield Reason(
            "no harness of it is connected that would take its mail",
            "socket",
            row.get("last_seen"),
            None if facts.is_peer else f"hive-c0re logs {name}",
        )


def _state_of(message: Row, now: float) -> str:
    """Return the state of a message; `deferred` before its time."""
    due = seconds(message.get("not_before"))
    return "deferred" if due is not None and due > now else str(message.get("state"))


def _due(messages: Iterable[Row], now: float) -> str:
    return until(min(str(each["not_before"]) for each in messages), now)


_OF_MAIL = {
    "leased": ("is with it, not done yet", "are with it, not done yet"),
    "parked": ("is parked by the loop guard", "are parked by the loop guard"),
    "deferred": ("waits for its time", "wait for their time"),
    "stored": ("waits in its inbox", "wait in its inbox"),
}
"""What unread messages in a state are, one and several, in the order in which it is said."""

_RULES = (_daemon, _lifecycle, _holds, _account, _turns, _questions, _mail)


def _nothing(facts: WhyFacts) -> Reason:
    """Return the reason of a participant that nothing holds and that has nothing to do."""
    row = facts.row
    since = row.get("activity_since") or row.get("since")
    send = f"hive-c0re send {facts.name} BODY"
    if not row.get("connected"):
        what = "its inbox is empty, and no harness of it is connected"
        return Reason(what, "socket", row.get("last_seen"), send)
    return Reason("its inbox is empty: it waits for a message", "broker", since, send)


def reason_lines(found: Iterable[Reason], now: float) -> list[str]:
    """Return reasons as lines: the sentence, since when and who says so, and the command.

    Text of others in them is not escaped yet.
    """
    lines: list[str] = []
    for each in found:
        since = f"since {moment(each.since, now)}, " if each.since else ""
        lines.append(f"- {each.what} ({since}says {each.source})")
        if each.command is not None:
            lines.append(f"    {each.command}")
    return lines
