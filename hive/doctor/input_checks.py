"""Findings about the inputs that NixOS systems are built of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hive.clock import DAY
from hive.findings import Finding, Verdict
from hive.quantities import counted

CHECK = "inputs"


def stale_inputs(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what there is to say about inputs.

    Args:
        rows: The rows of the verb `inputs`, see `hive.wire.change_rows.InputRow`.
    """
    stale = [row for row in rows if row["stale"]]
    if rows and not stale:
        yield Finding(CHECK, Verdict.OK, "the inputs of the NixOS systems are recent")
    if stale:
        names = [str(row["name"]) for row in stale]
        words = ", ".join(map(_words, stale))
        remedy = f"hive-c0re update-inputs {' '.join(names)}"
        yield Finding(CHECK, Verdict.WARNING, f"stale inputs of NixOS systems: {words}", remedy)


def _words(row: Mapping[str, Any]) -> str:
    if wanted := row.get("wanted"):
        return f"{row['name']} ({row['reference']}, while hive.toml names {wanted})"
    return f"{row['name']} ({counted(int(row['age_seconds'] // DAY), 'day')} old)"
