"""The groups in which `--help` and the manual page list the verbs, as docs/operating.md does."""

from __future__ import annotations

from collections.abc import Mapping

FIRST_OF_GROUP: Mapping[str, str] = {
    "serve": "The daemon",
    "spawn": "Agents",
    "show": "Changes",
    "list": "State",
    "send": "Mail",
    "register-peer": "Peers",
    "turns": "Activity and logs",
    "doctor": "The host",
    "backup": "The store",
    "web": "The dashboard",
    "completion": "The shell",
}
"""The title of each group, by its first verb; a group goes on to the next one's first verb."""
