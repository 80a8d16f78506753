"""alice: answers questions about a git repository with git.

A message is a git command that only reads, for instance `log -3`, `grep -n asyncio` or
`shortlog -sn`. The repository is $REPOSITORY, or the one that this file is in.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

ALLOWED = ("blame", "branch", "grep", "log", "ls-files", "shortlog", "show", "status")
FORBIDDEN = ("--output", "--ext-diff", "--open-files-in-pager", "-O", "--textconv")
LONGEST = 8000


def main() -> int:
    """Answer the message on standard input; an exit status of 0 acks it."""
    words = shlex.split(json.load(sys.stdin)["body"])
    if words[:1] == ["git"]:
        words = words[1:]
    refusal = refuse(words)
    print(refusal or answer(words))
    return 0


def refuse(words: list[str]) -> str | None:
    """Return why a question is not answered, or None."""
    if not words or words[0] not in ALLOWED:
        return f"I answer with git {', '.join(ALLOWED)}; for instance: log -3"
    if words[0] == "branch" and any(not word.startswith("-") for word in words[1:]):
        return "I only read: `branch` with options such as -a or -v, without a name"
    for word in words[1:]:
        if word.startswith(FORBIDDEN):
            return f"I only read: {word} could write or run something"
    return None


def answer(words: list[str]) -> str:
    """Run git and return its output."""
    repository = os.environ.get("REPOSITORY") or str(Path(__file__).parent)
    done = subprocess.run(
        ["git", "--no-pager", "-C", repository, *words],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    output = (done.stdout + done.stderr).strip() or "(git printed nothing)"
    if len(output) > LONGEST:
        return f"{output[:LONGEST]}\n… {len(output) - LONGEST} more characters; ask for less"
    return output


if __name__ == "__main__":
    sys.exit(main())
