"""docs/json.md and the tables of `hive.client.json_keys`, made from the types of `--json`.

`python -m tests.json_page` prints the page; with `--write` it replaces both files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

from hive.cli.json_contract import (
    all_structs,
    defaults_of,
    meanings_of,
    nested_of,
    schemas_of,
    summary_of,
)
from hive.cli.json_outputs import OUTPUTS, Output

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "json.md"
TABLES = ROOT / "hive" / "client" / "json_keys.py"

HEAD = """\
# JSON of the command lines

Every verb with `--json` prints what this page says. It is made from the types that the programs
use (`python -m tests.json_page --write`), and a test compares it with what the programs print.

- Every key of an object is always present; one without a value is `null`, an empty array or an
  empty object. The [wire](delivery.md) leaves such keys out; only the command lines fill them in.
- Keys are in `snake_case`. A later version may add keys; none is removed, renamed or retyped
  without a new version of the wire, so read the keys that you know and pass over others.
- Times are RFC 3339 in UTC with milliseconds: `2026-11-28T14:00:00.000Z`. Durations are seconds.
- The output of `hive-c0re` is one document; a *line of JSON for each item* is said below.
  `hive-ag3nt` and `hive-m1nd` print each document as one line. All of it is ASCII; other
  characters are escaped as in JSON.
- Errors are on standard error, as always, and the exit status says that there is one. `check` has
  its problems in the document, too.

`hive-c0re schema --json-of VERB` prints the JSON schema of a verb, `hive-c0re schema --json-of
"hive-ag3nt recv"` that of one of the other programs. Of a verb that is in several lines of its
table it is all of them, and `--json-of "status NAME"` that of one line.
"""

CODE = '''\
"""The keys of the objects that verbs print as JSON. Made by `python -m tests.json_page --write`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {defaults}
"""By type of object, its keys in their order, each with its value where the wire leaves it out."""

NESTED: dict[str, dict[str, str]] = {nested}
"""By type of object, the type of the objects in those keys that have some."""
'''

_STRUCTS = frozenset(each.__name__ for each in all_structs())

_WORDS = {"boolean": "true or false", "integer": "whole number"}


def page() -> str:
    """Return docs/json.md."""
    return "\n".join([HEAD, *_verbs(), *_objects()])


def tables() -> str:
    """Return the module with the keys, before it is formatted."""
    structs = {each.__name__: each for each in all_structs()}
    defaults = {name: defaults_of(each) for name, each in structs.items()}
    nested = {name: found for name, each in structs.items() if (found := nested_of(each))}
    return CODE.replace("{defaults}", _literal(defaults)).replace("{nested}", _literal(nested))


def _literal(value: object) -> str:
    return pformat(value, sort_dicts=False, width=96)


def _verbs() -> Iterator[str]:
    for program, verbs in OUTPUTS.items():
        shared = OUTPUTS["hive-ag3nt"] if program == "hive-m1nd" else {}
        yield f"## `{program}`\n"
        yield from ["It has the verbs of `hive-ag3nt`, and:\n"] if shared else []
        yield from ("| verb | prints |", "|---|---|")
        for verb in (each for each in verbs if each not in shared):
            for output in verbs[verb]:
                yield f"| `{f'{verb} {output.when}'.strip()}` | {_printed(output)} |"
        yield ""


def _printed(output: Output) -> str:
    [schema], _ = schemas_of([output.type])
    return f"a line of JSON for each item: {_kind(schema)}" if output.is_stream else _kind(schema)


def _objects() -> Iterator[str]:
    structs = all_structs()
    _, components = schemas_of(structs)
    yield "## Objects\n"
    for each in structs:
        meanings = meanings_of(each)
        yield f"### {each.__name__}\n"
        yield f"{summary_of(each)}\n"
        yield "| key | kind | meaning |"
        yield "|---|---|---|"
        for key, schema in components[each.__name__]["properties"].items():
            yield f"| `{key}` | {_kind(schema)} | {_meaning(meanings[key])} |"
        yield ""


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the kind of a value in words, with links to objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if name in _STRUCTS else "word"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return f"array of {_kind(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) and inner else "object"
    if kind == "null":
        return "`null`"
    return _WORDS.get(kind or "", kind or "any")


def _meaning(text: str) -> str:
    first = re.sub(r"\bnull\b", "`null`", text.replace("|", r"\|"))
    return (first[0].lower() + first[1:]).removesuffix(".") if not first[1:2].isupper() else first


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
        TABLES.write_text(tables())
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", TABLES], check=True)
    else:
        sys.stdout.write(page())
