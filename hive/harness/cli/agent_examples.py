"""The examples in the help of each verb of `hive-ag3nt` and `hive-m1nd`, without the program."""

from __future__ import annotations

from collections.abc import Mapping

AGENT_EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "serve": ("serve -- ./answer.sh --fast", "serve --peer --bell 'notify-send \"$HIVE_NEWS\"'"),
    "send": (
        "send bob 'the build is green'",
        "send bob 'which branch?' --wait=60",
        "send bob --reply-to 42 - < answer.md",
    ),
    "recv": ("recv --wait 60", "recv --max 8 --keep --json", "recv --queue build --wait 60"),
    "wake": ("wake --from cron --body 'time to look'",),
    "status": ("status",),
    "whoami": ("whoami",),
    "who": ("who --json",),
    "ack": ("ack 42 43", "ack --lease 5/17 42"),
    "nack": ("nack 42 --mode defer --delay 60 --reason 'the host is down'",),
    "receipts": ("receipts 42",),
    "verify": ("verify 42",),
    "ask": (
        "ask 'May I delete the branch?' --option yes --option no",
        "ask 'Which port?' --to bob --ttl 600 --on-expiry escalate",
    ),
    "answer": ("answer 42 yes",),
    "remind": ("remind 'look at the build' --delay 600", "remind standup --at 2026-05-01T09:00"),
    "loose-ends": ("loose-ends",),
    "cancel": ("cancel reminder 42",),
    "set-status": ("set-status 'on the parser'",),
    "kill": ("kill bob",),
    "start": ("start bob",),
    "restart": ("restart bob",),
    "update": ("update bob",),
    "logs": ("logs bob --lines 20",),
    "request-spawn": ("request-spawn dora 1a2b3c4 --description 'for the docs'",),
    "request-apply-commit": ("request-apply-commit bob 1a2b3c4 --ttl 86400 --on-expiry deny",),
    "request-init-config": ("request-init-config dora --from claude",),
    "request-schedule": ("request-schedule bob 'every 2h' 'look for new issues'",),
    "request-adopt": ("request-adopt damocles --stop -- ./answer.sh",),
    "request-release": ("request-release bob",),
    "request-update-inputs": ("request-update-inputs nixpkgs",),
    "hook": ("hook", "hook --at-stop continue"),
    "converse": ("converse 1b5e9d3a-6b1f-4f0e-9f0e-2f8a7f1c4d55",),
    "mcp": ("mcp", "mcp --channel"),
    "completion": ("completion bash", "completion fish"),
    "help": ("help send",),
}
"""The first examples are the usual ones. A test reads each as the program would."""
