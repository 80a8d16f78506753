"""The `hook` verb: unread mail at the edges of a Claude Code session's turns.

It looks and leases nothing: what a hook prints may be cut, and the hook is gone before the model
has read it. See the hooks reference of Claude Code for the events and the forms of output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hive.client.blocking import Connection
from hive.errors import HiveError
from hive.harness import environment
from hive.harness.told import Told
from hive.harness.unread import LOOK_AT, News, described, headline, waiting

PATIENCE = 1.0
"""Seconds that the daemon may take for an answer: the user waits for their prompt to go."""

STOP = "Stop"
"""The event at the end of a turn."""

Fields = dict[str, Any]


def run(socket: Path, *, read_on: bool) -> None:
    """Print what a Claude Code hook prints for the event on standard input.

    Whatever goes wrong is one line on standard error, which does not disturb the session.
    """
    try:
        event = event_of(b"" if sys.stdin.isatty() else sys.stdin.buffer.read())
        told = Told(environment.state_dir() / "told.json")
        text = answer(event, waiting(look(socket), time.time()), told, time.time(), read_on=read_on)
    except (HiveError, OSError, ValueError, LookupError, TypeError) as error:
        sys.stderr.write(f"hive-ag3nt hook: {error}\n")
        return
    if text:
        sys.stdout.write(text + "\n")


class Event(NamedTuple):
    """What happens in a session.

    Attributes:
        name: "UserPromptSubmit" and so on; empty if whoever calls is no Claude Code.
        session: The session's id.
        stopped_before: Whether a stop hook made the model go on already.
    """

    name: str = ""
    session: str = ""
    stopped_before: bool = False


def event_of(line: bytes) -> Event:
    """Return the event that a hook is told of on standard input; of anything else none."""
    fields: object = None
    with suppress(ValueError):
        fields = json.loads(line)
    if not isinstance(fields, Mapping):
        return Event()
    return Event(
        str(fields.get("hook_event_name", "")),
        str(fields.get("session_id", "")),
        fields.get("stop_hook_active") is True,
    )


def look(socket: Path) -> list[Fields]:
    """Return rows of the inbox; without unread mail the store is not asked."""
    with Connection(socket, PATIENCE, warn=lambda sentence: None) as connection:
        if not connection.call({"cmd": "status"}, PATIENCE)["unread"]:
            return []
        recent = connection.call({"cmd": "recent", "max": LOOK_AT}, PATIENCE)
        return list(recent["messages"])


def answer(
    event: Event, news: tuple[News, ...], told: Told, now: float, *, read_on: bool
) -> str | None:
    """Return what the hook prints; None for nothing."""
    fresh = worth_telling(event, news, told, read_on=read_on)
    if not fresh:
        return None
    if event.name == STOP and not read_on:
        return json.dumps({"systemMessage": headline(fresh)})
    text = described(fresh, now)
    if not event.name:
        return text
    told.remember(event.session, fresh)
    if event.name == STOP:
        return json.dumps({"decision": "block", "reason": text})
    output = {"hookEventName": event.name, "additionalContext": text}
    return json.dumps({"hookSpecificOutput": output})


def worth_telling(
    event: Event, news: tuple[News, ...], told: Told, *, read_on: bool
) -> tuple[News, ...]:
    """Return what is told of at this event.

    The model is told of everything when a session starts, and after that of each message once: at
    the next prompt, or between two tool calls if it is urgent. A stop hook that makes the model go
    on does so once.
    """
    match event.name:
        case "" | "SessionStart":
            return news
        case "UserPromptSubmit":
            return told.new(event.session, news)
        case "PostToolUse":
            return tuple(each for each in told.new(event.session, news) if each.urgent)
        case "Stop" if not read_on:
            return news
        case "Stop" if not event.stopped_before:
            return told.new(event.session, news)
        case _:
            return ()
