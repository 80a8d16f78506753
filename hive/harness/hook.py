"""The `hook` verb: reports unread messages to a Claude Code session at hook events.

It polls the inbox and leases nothing, because a hook's output may be cut and the hook has ended
before the model reads it. Events and output formats: the hooks reference of Claude Code.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hive.client.blocking import BlockingClient
from hive.errors import HiveError
from hive.escapes import inline
from hive.harness import environment
from hive.harness.unread import (
    PREVIEW_CHARS,
    RECENT_MAX,
    UnreadMessage,
    describe,
    described,
    headline,
    unread_of,
)

ANSWER_TIMEOUT = 1.0
"""Seconds that the daemon may take for an answer; the user's prompt is held up meanwhile."""

STOP = "Stop"
"""The event at the end of a turn."""

SESSIONS_MAX = 32
"""Sessions that are remembered; the one that was notified longest ago is forgotten first."""

IDS_MAX = 1000
"""Message ids that are remembered for each session."""

Fields = dict[str, Any]


def run(socket: Path, *, read_on: bool) -> None:
    """Print the output of a Claude Code hook for the event on standard input.

    An error is one line on standard error and does not disturb the session.

    Args:
        socket: The participant's socket.
        read_on: Whether the model continues with unread messages at the end of its turn.
    """
    try:
        event = parse_event(b"" if sys.stdin.isatty() else sys.stdin.buffer.read())
        notified = NotifiedMessages(environment.state_dir() / "told.json")
        now = time.time()
        text = hook_output(
            event, unread_of(recent_rows(socket), now), notified, now, read_on=read_on
        )
    except (HiveError, OSError, ValueError, LookupError, TypeError) as error:
        sys.stderr.write(f"hive-ag3nt hook: {inline(error)}\n")
        return
    if text:
        sys.stdout.write(text + "\n")


class HookEvent(NamedTuple):
    """An event of a Claude Code session.

    Attributes:
        name: "UserPromptSubmit" and so on; empty when the caller is not Claude Code.
        session: The session's id.
        stopped_before: Whether a stop hook already made the model continue.
    """

    name: str = ""
    session: str = ""
    stopped_before: bool = False


def parse_event(line: bytes) -> HookEvent:
    """Return the event that Claude Code wrote to standard input; an empty one for other input."""
    fields: object = None
    with suppress(ValueError):
        fields = json.loads(line)
    if not isinstance(fields, Mapping):
        return HookEvent()
    return HookEvent(
        str(fields.get("hook_event_name", "")),
        str(fields.get("session_id", "")),
        fields.get("stop_hook_active") is True,
    )


def recent_rows(socket: Path) -> list[Fields]:
    """Return the rows of unread messages, their bodies cut; without any, the store is not read.

    The daemon cuts the bodies, so that the answer is small however long they are.
    """
    with BlockingClient(socket, ANSWER_TIMEOUT, warn=lambda sentence: None) as connection:
        if not connection.call({"cmd": "status"}, ANSWER_TIMEOUT)["unread"]:
            return []
        wanted = {"cmd": "recent", "max": RECENT_MAX, "unread": True, "body_max": PREVIEW_CHARS}
        return list(connection.call(wanted, ANSWER_TIMEOUT)["messages"])


class NotifiedMessages:
    """Remembers which messages were described to each session, in a small file.

    If the file is lost or cannot be written, a session is notified once more.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def new(self, session: str, messages: Iterable[UnreadMessage]) -> tuple[UnreadMessage, ...]:
        """Return the messages that the session was not notified about."""
        known = set(self._read().get(session, ()))
        return tuple(message for message in messages if message.id not in known)

    def remember(self, session: str, messages: Iterable[UnreadMessage]) -> None:
        """Record that the session is notified about these messages."""
        sessions = self._read()
        ids = {*sessions.pop(session, ()), *(message.id for message in messages)}
        sessions[session] = sorted(ids)[-IDS_MAX:]
        latest = dict(list(sessions.items())[-SESSIONS_MAX:])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            written = self._path.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(latest))
            written.replace(self._path)

    def _read(self) -> dict[str, list[int]]:
        with suppress(OSError, ValueError):
            found = json.loads(self._path.read_text())
            if isinstance(found, dict):
                return found
        return {}


def hook_output(
    event: HookEvent,
    unread: tuple[UnreadMessage, ...],
    notified: NotifiedMessages,
    now: float,
    *,
    read_on: bool,
) -> str | None:
    """Return the hook's output; None for none. Records what the model is notified about."""
    messages = messages_to_report(event, unread, notified, read_on=read_on)
    if not messages:
        return None
    if event.name == STOP and not read_on:
        return json.dumps({"systemMessage": headline(messages)})
    text = describe(messages, now)
    if not event.name:
        return text
    notified.remember(event.session, described(messages))
    if event.name == STOP:
        return json.dumps({"decision": "block", "reason": text})
    output = {"hookEventName": event.name, "additionalContext": text}
    return json.dumps({"hookSpecificOutput": output})


def messages_to_report(
    event: HookEvent,
    unread: tuple[UnreadMessage, ...],
    notified: NotifiedMessages,
    *,
    read_on: bool,
) -> tuple[UnreadMessage, ...]:
    """Return the messages that are reported at this event.

    All of them when a session starts, and after that each message that was not described yet: at
    the next prompt, or between two tool calls if it is urgent. A stop hook makes the model continue
    at most once.
    """
    match event.name:
        case "" | "SessionStart":
            return unread
        case "UserPromptSubmit":
            return notified.new(event.session, unread)
        case "PostToolUse":
            return tuple(each for each in notified.new(event.session, unread) if each.urgent)
        case "Stop" if not read_on:
            return unread
        case "Stop" if not event.stopped_before:
            return notified.new(event.session, unread)
        case _:
            return ()
