"""The `hook` verb: reports unread messages to a Claude Code session at hook events.

It polls the inbox and leases nothing, because a hook's output may be cut and the hook has ended
before the model reads it. Events and output formats: the hooks reference of Claude Code.

It runs after every tool call, mostly without unread mail: what describes mail is imported for mail.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import namedtuple
from collections.abc import Iterable, Mapping
from contextlib import suppress

from hive.base_directories import StrPath
from hive.client.blocking import BlockingClient
from hive.errors import HiveError
from hive.escapes import inline
from hive.harness import environment
from hive.stdio import discard_output, read_input, write_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hive.harness.unread import UnreadMessage

    Fields = dict[str, Any]

ANSWER_TIMEOUT = 1.0
"""Seconds that the daemon may take for an answer; the user's prompt is held up meanwhile."""

EVENT_MAX = 64 << 20
"""Bytes of the longest event; one about a tool has all that the tool returned."""

EVENT_SECONDS = 1.0
"""Seconds within which the event must be there as a whole."""

STOP = "Stop"
"""The event at the end of a turn."""

SESSIONS_MAX = 32
"""Sessions that are remembered; the one that was notified longest ago is forgotten first."""

IDS_MAX = 1000
"""Message ids that are remembered for each session."""


def run(socket: StrPath, *, at_stop: str) -> None:
    """Print the output of a Claude Code hook for the event on standard input.

    An error is one line on standard error and does not disturb the session.

    Args:
        socket: The participant's socket.
        at_stop: At the end of a turn, "continue" has the model go on with unread messages; "notice"
            only notifies the user.
    """
    try:
        event = parse_event(b"" if sys.stdin.isatty() else read_input(EVENT_MAX, EVENT_SECONDS))
        rows = recent_rows(socket)
        text = _report(event, rows, read_on=at_stop == "continue") if rows else None
    except (HiveError, OSError, ValueError, LookupError, TypeError) as error:
        write_error(f"hive-ag3nt hook: {inline(error)}\n")
        return
    if text:
        _print(text)


def _report(event: HookEvent, rows: list[Fields], *, read_on: bool) -> str | None:
    from hive.harness.unread import unread_of

    notified = NotifiedMessages(f"{environment.state_dir()}/notified.json")
    now = time.time()
    return hook_output(event, unread_of(rows, now), notified, now, read_on=read_on)


def _print(text: str) -> None:
    """Print the output; without a reader the session was not notified, but goes on."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        discard_output()
        write_error(f"hive-ag3nt hook: the output cannot be written: {error.strerror}\n")


class HookEvent(namedtuple("HookEvent", "name session stopped_before", defaults=("", "", False))):
    """An event of a Claude Code session.

    Attributes:
        name: "UserPromptSubmit" and so on; empty when the caller is not Claude Code.
        session: The session's id.
        stopped_before: Whether a stop hook already made the model continue.
    """

    __slots__ = ()

    name: str
    session: str
    stopped_before: bool


def parse_event(line: bytes) -> HookEvent:
    """Return the event that Claude Code wrote to standard input; an empty one for other input."""
    fields: object = None
    with suppress(ValueError, RecursionError):
        fields = json.loads(line)
    if not isinstance(fields, Mapping):
        return HookEvent()
    return HookEvent(
        str(fields.get("hook_event_name", "")),
        str(fields.get("session_id", "")),
        fields.get("stop_hook_active") is True,
    )


def recent_rows(socket: StrPath) -> list[Fields]:
    """Return the rows of unread messages, their bodies cut; without any, the store is not read.

    The daemon cuts the bodies, so that the answer is small however long they are.
    """
    with BlockingClient(socket, ANSWER_TIMEOUT, warn=lambda sentence: None) as connection:
        if not connection.call({"cmd": "status"}, ANSWER_TIMEOUT)["unread"]:
            return []
        from hive.harness.unread import PREVIEW_CHARS, RECENT_MAX

        wanted = {"cmd": "recent", "max": RECENT_MAX, "unread": True, "body_max": PREVIEW_CHARS}
        return list(connection.call(wanted, ANSWER_TIMEOUT)["messages"])


class NotifiedMessages:
    """Remembers which messages were described to each session, in a small file.

    If the file is lost or cannot be written, a session is notified once more.

    Args:
        path: The file.
    """

    def __init__(self, path: StrPath) -> None:
        self._path = os.fspath(path)

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
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            written = f"{self._path}.{os.getpid()}"
            with open(written, "w") as file:
                json.dump(latest, file)
            os.replace(written, self._path)

    def _read(self) -> dict[str, list[int]]:
        with suppress(OSError, ValueError, RecursionError):
            with open(self._path) as file:
                found = json.load(file)
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
    from hive.harness.unread import describe, described, headline

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
