"""Completing the objects that verbs print as JSON. Imports the standard library only.

The wire leaves out what has its default; in the JSON of a command line every key is present, so
that a program need not know which may be absent. What a newer daemon has besides stays.
"""

from __future__ import annotations

from hive.client.json_keys import DEFAULTS, NESTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OF_RESPONSES = frozenset({"version", "ok", "req"})
"""Keys of every response of the wire, which are no part of a document."""


def complete(value: Any, row: str) -> Any:
    """Return an object with every key, or an array of objects with every key.

    Args:
        value: The object, the array, or None.
        row: Name of the type of the object, see `hive.cli.json_outputs`.
    """
    if isinstance(value, list):
        return [complete(each, row) for each in value]
    if not isinstance(value, dict):
        return value
    defaults = DEFAULTS[row]
    own = {key: each for key, each in value.items() if key in defaults or key not in _OF_RESPONSES}
    found = {**defaults, **own}
    for key, inner in NESTED.get(row, {}).items():
        found[key] = complete(found[key], inner)
    return found
