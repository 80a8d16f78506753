"""Events as sentences: what happened to whom. Pure; the kinds are those of docs/events.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hive.escapes import inline
from hive.quantities import counted, plural
from hive.view.lines import event_line
from hive.view.row_fields import Row

Detail = Mapping[str, Any]
Sentence = Callable[[str, Detail], str]


def event_sentence(row: Row) -> str:
    """Return an event as a sentence, safe for a terminal; a kind that is not known as it is."""
    make = _SENTENCES.get(str(row.get("event")))
    detail = row.get("detail")
    detail = detail if isinstance(detail, Mapping) else {}
    if make is not None:
        return inline(make(str(row.get("name") or "the hive"), detail))
    try:
        return event_line(row).partition("  ")[2].partition("  ")[2]
    except (KeyError, TypeError, ValueError):
        return inline(row.get("event"))


def _plain(words: str) -> Sentence:
    return lambda name, detail: f"{name} {words}"


def _why(words: str) -> Sentence:
    """Return a sentence with the reason, and the last line that was printed."""

    def sentence(name: str, detail: Detail) -> str:
        lines = detail.get("last_lines")
        last = f" ({str(lines[-1]).strip()})" if isinstance(lines, list) and lines else ""
        reason = detail.get("reason") or detail.get("error") or detail.get("what")
        return f"{name} {words}: {reason}{last}" if reason else f"{name} {words}{last}"

    return sentence


def _restarting(name: str, detail: Detail) -> str:
    wait = detail.get("in_seconds")
    delay = f"in {wait:g} s" if isinstance(wait, int | float) else "soon"
    return f"{name} is restarted {delay} (attempt {detail.get('attempt', '?')})"


def _asked(words: str) -> Sentence:
    return lambda name, detail: (
        f"question {detail.get('id')} of {detail.get('asker', name)} to {detail.get('to')} {words}"
    )


def _scheduled(words: str) -> Sentence:
    def sentence(name: str, detail: Detail) -> str:
        what = f"message {detail.get('schedule')} to {detail.get('to', name)}"
        return f"{what}, {detail.get('when')}, {words}"

    return sentence


def _approval(words: str) -> Sentence:
    def sentence(name: str, detail: Detail) -> str:
        more = detail.get("error") or detail.get("note")
        what = f"approval {detail.get('approval')} ({detail.get('what')} of {name}) {words}"
        return f"{what}: {more}" if more else what

    return sentence


def _dead_letter(name: str, detail: Detail) -> str:
    return (
        f"message {detail.get('id')} of {detail.get('from')} to {detail.get('to', name)} "
        f"became a dead letter: {detail.get('reason')}"
    )


def _count(detail: Detail, key: str, noun: str) -> str:
    number = detail.get(key)
    return counted(number, noun) if isinstance(number, int) else f"some {plural(noun)}"


def _verdict(words: str) -> Sentence:
    def sentence(name: str, detail: Detail) -> str:
        verdict = str(detail.get("verdict")).replace("_", " ")
        source = f" (from {detail['source']})" if detail.get("source") else ""
        return f"{name} {words}: {verdict}{source}"

    return sentence


def _deploy(name: str, detail: Detail) -> str:
    error = f": {detail['error']}" if detail.get("error") else ""
    return f"deploy {detail.get('deploy')} of {name} is {detail.get('step')}{error}"


_SENTENCES: Mapping[str, Sentence] = {
    "daemon_started": lambda name, detail: f"the daemon answers (pid {detail.get('pid')})",
    "daemon_stopping": _plain("ends"),
    "spawned": _plain("was created"),
    "started": _plain("was started"),
    "adopted": _plain("ran already, and was taken over"),
    "ended": _why("ended"),
    "rebooted": _plain("was rebooted from inside"),
    "external_restart": _why("was restarted by another program"),
    "restarting": _restarting,
    "failed": _why("failed, and is parked"),
    "stopped": _plain("was stopped"),
    "destroyed": _plain("was removed"),
    "paused": _plain("is paused"),
    "resumed": _plain("gets its mail again"),
    "frozen": _why("is frozen"),
    "thawed": _plain("goes on"),
    "peer_registered": _plain("joined as a peer"),
    "peer_unregistered": _plain("left"),
    "peer_adopted": _plain("is now an agent"),
    "released": _plain("is now a peer"),
    "renamed": lambda name, detail: f"{detail.get('before')} is now called {name}",
    "connected": _plain("is connected"),
    "disconnected": _plain("is not connected any more"),
    "stray": _why("runs although it should not"),
    "queued": _why("waits to be started"),
    "pressure": _why("is short of something, and holds starts and turns"),
    "pressure_ended": _plain("is no longer short of something"),
    "trouble": _why("has trouble"),
    "attached": _plain("waits with its turns, since an operator is in its conversation"),
    "detached": _plain("goes on with its turns, since the operator has left its conversation"),
    "shell_opened": _plain("has a shell of an operator in it"),
    "verdict": _verdict("is judged"),
    "verdict_ended": _verdict("is judged no more"),
    "notice_failed": lambda name, detail: (
        f"the program for the notice {detail.get('notice')} failed: {detail.get('reason')}"
    ),
    "dead_letter": _dead_letter,
    "expired": lambda name, detail: f"message {detail.get('id')} to {name} expired unread",
    "discarded": lambda name, detail: f"the operator ended {_count(detail, 'count', 'message')}",
    "loop_tripped": _why("loops, and its mail is held"),
    "loop_reset": _plain("gets the mail that was held"),
    "question_expired": _asked("got no answer in time"),
    "question_held": _asked("got no answer in time, and stays open"),
    "question_escalated": _asked("went to the operator"),
    "limited": lambda name, detail: f"the account of {name} is used up",
    "unlimited": lambda name, detail: f"the account of {name} can be used again",
    "needs_login": _plain("needs a login"),
    "logged_in": _plain("is logged in again"),
    "approval_requested": _approval("waits for you"),
    "approval_approved": _approval("was approved"),
    "approval_held": _approval("was not decided in time"),
    "approval_resolved": lambda name, detail: _approval(f"ended: {detail.get('status')}")(
        name, {**detail, "note": None}
    ),
    "deploy": _deploy,
    "reloaded": lambda name, detail: (
        f"hive.toml was applied ({_count(detail, 'changes', 'change')})"
    ),
    "scheduled": _scheduled("is sent again and again"),
    "schedule_ended": _scheduled("is sent no longer"),
    "question_cancelled": _asked("needs no answer any more"),
    "disk_short": lambda name, detail: f"the disk is short: {_count(detail, 'free', 'free byte')}",
    "disk_recovered": _plain("has enough disk space again"),
    "events_lost": lambda name, detail: f"{_count(detail, 'count', 'event')} could not be stored",
    "notice_dropped": lambda name, detail: (
        f"the inbox of {name} could not take {_count(detail, 'count', 'notice')}: "
        f"{detail.get('reason')}"
    ),
    "store_failed": _why("cannot store anything"),
    "store_recovered": _plain("stores again"),
}
