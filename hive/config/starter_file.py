"""The text of a first `hive.toml`: every key with its meaning and its default, commented out.

A key without a default has a line without a value.

It is made from the tables of the schema, as the documentation and the JSON schema are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hive.config.agent_schema import AGENT, RESTART
from hive.config.hive_schema import (
    CONTAINERS,
    HIVE,
    LIMITS,
    MACHINE,
    NOTICES,
    OTEL,
    PEER,
    RETENTION,
)
from hive.config.table_schema import Key, Table, plain_text
from hive.config.toml_text import toml_value
from hive.config.web_schema import WEB

_WIDTH = 96

_HEAD = (
    "A hive. Lines that begin with '#' and a key show its default: take the '#' away to change it. "
    "A key without a default has no value there: write one.",
    "'hive-c0re check FILE' examines the file, 'hive-c0re serve --config FILE' runs it, and "
    "'hive-c0re reload' applies what was changed.",
)

_SECTIONS: dict[str, tuple[Table[Any], str]] = {
    "containers": (CONTAINERS, "Of all containers; only under a runtime that has some."),
    "limits": (LIMITS, "Limits of messages and inboxes."),
    "retention": (RETENTION, "How long ended messages and events stay."),
    "machine": (MACHINE, "How the machine is protected from all agents together."),
    "restart": (RESTART, "The restart policy of agents."),
    "notices": (NOTICES, "Programs that are run when something needs you."),
    "web": (WEB, "The dashboard, 'hive-c0re web'; it needs hyperhive[web]."),
    "otel": (OTEL, "Export of metrics and turns by OpenTelemetry; it needs hyperhive[otel]."),
}
"""The table of each section that every hive has, and what it is for."""

_PARTICIPANTS: dict[str, tuple[Sequence[Key], str]] = {
    "manager": (
        [key for key in AGENT.keys if key.name == "run"],
        "The manager agent; its keys are those of an agent.",
    ),
    "agents.alice": (AGENT.keys, "An agent. This one answers with what it was sent."),
    "peers.damocles": (PEER.keys, "A peer: it only takes part in the mail."),
}
"""The keys that are shown of each participant, and what the participant is."""

_PROGRAM = ["cat"]
"""The program of each agent: without one it would be none."""


def starter_text() -> str:
    """Return the text of the file."""
    top = [key for key in HIVE.keys if key.kind.word not in {"table", "tables"}]
    lines = [*_comment(" ".join(_HEAD)), "", *_keys(HIVE, top)]
    for name, (table, what) in _SECTIONS.items():
        lines += ["", *_comment(what), f"[{name}]", *_keys(table, table.keys)]
    for name, (keys, what) in _PARTICIPANTS.items():
        table = PEER if name.startswith("peers.") else AGENT
        lines += ["", *_comment(what), f"#[{name}]", *_keys(table, keys)]
    return "\n".join([*lines, ""])


def _keys(table: Table[Any], keys: Iterable[Key]) -> Iterator[str]:
    """Yield keys with their meaning and, commented out, their default, or no value without one."""
    for key in keys:
        yield from _comment(f"{key.name} ({key.kind.word}): {plain_text(key.meaning)}")
        value = _PROGRAM if key.name == "run" else table.written_default(key)
        if key.kind.word not in {"table", "tables"}:
            yield f"#{key.name} =" if value is None else f"#{key.name} = {toml_value(value)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False)]
