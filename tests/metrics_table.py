"""The table of docs/metrics.md, made from the families: `python -m tests.metrics_table`.

It prints the page with its table made anew; with `--write` it replaces the page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hive.metrics.families import FAMILIES

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

_TABLE = re.compile(r"^\| metric \|.*\n(?:\|.*\n)+", re.MULTILINE)


def table() -> str:
    """Return the table of all metrics in Markdown."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels) or "\N{EN DASH}"
        lines.append(f"| `{family.name}` | {family.type} | {labels} | {family.help} |")
    return "\n".join([*lines, ""])


def with_table(page: str) -> str:
    """Return the page with the table made anew."""
    made = table()
    return _TABLE.sub(lambda _: made, page)


if __name__ == "__main__":
    text = with_table(PAGE.read_text())
    if "--write" in sys.argv:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)
