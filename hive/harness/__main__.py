"""`python -m hive.harness agent|manager …`: the programs, where their scripts are not on PATH."""

from __future__ import annotations

import sys

from hive.harness.cli import agent, manager

PROGRAMS = {"agent": agent, "manager": manager}

if __name__ == "__main__":
    which = sys.argv[1] if len(sys.argv) > 1 else ""
    if which not in PROGRAMS:
        sys.exit("usage: python -m hive.harness agent|manager VERB …")
    PROGRAMS[which](sys.argv[2:])
