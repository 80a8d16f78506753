"""The tables of docs/configuration.md, made from the schema: `python -m tests.config_tables`.

It prints the page with its tables made anew; with `--write` it replaces the page.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from hive.config.agent_schema import AGENT, BIND, RESTART
from hive.config.claude_schema import CLAUDE, MCP_SERVER
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
from hive.config.table_schema import Key, Table
from hive.config.web_schema import WEB

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

SECTIONS: dict[str, Table[Any]] = {
    "The file": HIVE,
    "[containers]": CONTAINERS,
    "[limits]": LIMITS,
    "[retention]": RETENTION,
    "[machine]": MACHINE,
    "[restart]": RESTART,
    "[notices]": NOTICES,
    "[web]": WEB,
    "[otel]": OTEL,
    "[agents.NAME] and [manager]": AGENT,
    "[agents.NAME.claude]": CLAUDE,
    "[agents.NAME.claude.mcp.SERVER]": MCP_SERVER,
    "[[agents.NAME.bind]]": BIND,
    "[peers.NAME]": PEER,
}
"""The tables of the schema by the heading of their section."""

NONE = "\N{EN DASH}"
"""The default of a key without one."""

_TABLE = re.compile(r"^\|.*\|\n(?:\|.*\|\n)+", re.MULTILINE)


def table_of(table: Table[Any]) -> str:
    """Return a table of the schema as one of Markdown."""
    lines = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{key.name}` | {key.kind.word} | {_default(table, key)} | {key.meaning} |"
        for key in table.keys
    ]
    return "\n".join([*lines, ""])


def _default(table: Table[Any], key: Key) -> str:
    written = table.written_default(key)
    if written is None or (key.kind.word == "tables" and not written):
        return NONE
    if key.kind.word == "table" and table is HIVE:
        return f"see [{key.name}]"
    return f"`{json.dumps(written, ensure_ascii=False)}`"


def with_tables(page: str) -> str:
    """Return the page with the first table of each section made anew."""
    for heading, table in SECTIONS.items():
        before, title, after = page.partition(f"\n## {heading}\n")
        assert title, f"docs/configuration.md has no section {heading}"
        old = _TABLE.search(after)
        assert old is not None
        page = before + title + after[: old.start()] + table_of(table) + after[old.end() :]
    return page


if __name__ == "__main__":
    made = with_tables(PAGE.read_text())
    if "--write" in sys.argv:
        PAGE.write_text(made)
    else:
        sys.stdout.write(made)
