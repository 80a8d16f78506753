"""hm1nd: forwards requests to the agent that can answer them, and answers to the first sender.

`git …` goes to alice, `test …` to bob, `who` is answered at once. System notices are only logged.
Pending requests are files in $HIVE_STATE, so that they survive a restart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROUTES = {"git": "alice", "test": "bob"}
UNDER_WAY = Path(os.environ.get("HIVE_STATE", ".")) / "under-way"


def main() -> int:
    """Process the message on standard input; the output is the answer to its sender."""
    message = json.load(sys.stdin)
    if message["kind"] == "system":
        print(f"noted: {message['body']}", file=sys.stderr)
        return 0
    if message.get("in_reply_to") is not None:
        return pass_back(message)
    return pass_on(message)


def pass_on(message: dict[str, object]) -> int:
    """Send a request to the agent that can answer it."""
    word = str(message["body"]).split(maxsplit=1)[:1]
    if word == ["who"]:
        print(hive("who"))
        return 0
    agent = ROUTES.get(word[0]) if word else None
    if agent is None:
        print("I pass on: git … (alice), test … (bob), who")
        return 0
    sent = json.loads(hive("send", "--json", agent, "-", body=str(message["body"])))
    UNDER_WAY.mkdir(exist_ok=True)
    (UNDER_WAY / str(sent["id"])).write_text(json.dumps(message))
    return 0


def pass_back(answer: dict[str, object]) -> int:
    """Send an answer to the first sender; an answer without a pending request is dropped."""
    pending = UNDER_WAY / str(answer["in_reply_to"])
    if not pending.exists():
        return 0
    asked = json.loads(pending.read_text())
    body = f"{answer['from']} says:\n{answer['body']}"
    hive("send", "--reply-to", str(asked["id"]), asked["from"], "-", body=body)
    pending.unlink()
    return 0


def hive(*arguments: str, body: str | None = None) -> str:
    """Run a verb on the manager's socket and return its output; a failure fails this message."""
    done = subprocess.run(
        ["hive-m1nd", *arguments], input=body, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
