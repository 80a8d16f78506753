"""Run every attack for half a minute against the strict bounds, and print the table.

python -m tests.adversary [--seconds N] [ATTACK...]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.adversary.attacks import ATTACKS, MIXED, NAMED, VERBS
from tests.adversary.confinement import confined
from tests.adversary.measuring import MIB, STRICT, Figures, breaches, measure

HEADER = (
    "| attack | memory, MiB | `whoami` p99, ms | `send` p99, ms | operator, ms | disk, MiB | |",
    "|---|---|---|---|---|---|---|",
)


def row(found: Figures) -> str:
    """Return the row of an attack, as in docs/security.md."""
    whoami, send = (found.p99.get(verb, 0) * 1e3 for verb in ("whoami", "send"))
    broken = breaches(found, STRICT)
    return (
        f"| {found.name} | {found.memory / MIB:.0f} | {whoami:.0f} | {send:.0f} "
        f"| {found.operator[0] * 1e3:.0f} | {found.disk / MIB:.0f} "
        f"| {'; '.join(broken) or 'holds'} |"
    )


def write(*lines: str) -> None:
    """Write lines of the table at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def run(name: str, seconds: float, state: Path | None) -> Figures:
    """Run one attack on a hive of its own."""
    root = Path(tempfile.mkdtemp(prefix="hive-adversary-", dir=state))
    try:
        with confined(root) as hive:
            return measure(hive, ATTACKS[name], seconds)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run the attacks of the command line; return 1 if a bound was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversary", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each attack")
    parser.add_argument("--state", type=Path, help="where state directories are made: a real disk")
    parser.add_argument("--details", action="store_true", help="print all figures")
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help="some of the attacks")
    options = parser.parse_args(arguments)
    names = options.attacks or [attack.name for attack in (*VERBS, *NAMED, *MIXED)]
    if unknown := [name for name in names if name not in ATTACKS]:
        parser.error(f"no attack {unknown[0]!r}; there are {', '.join(ATTACKS)}")
    write(*HEADER)
    broken = 0
    for name in names:
        found = run(name, options.seconds, options.state)
        write(row(found))
        if options.details:
            sys.stderr.write(f"{found}\n")
        broken += bool(breaches(found, STRICT))
    write("", f"{len(names) - broken} of {len(names)} attacks stay within all bounds")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
