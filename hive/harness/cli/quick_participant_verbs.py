"""The verbs of `hive-ag3nt` that are read without click, see `hive.quick_command_lines`."""

from __future__ import annotations

from hive.harness import environment
from hive.quick_command_lines import QuickOption, QuickVerb, choice, seconds, text, whole
from hive.wire import SECONDS_MAX, WAIT_MAX

_SOCKET = {"--socket": QuickOption("socket", text, environment.socket_path)}
_COMMON = {**_SOCKET, "--json": QuickOption("as_json")}

QUICK_VERBS = {
    "send": QuickVerb(
        ("hive.harness.cli.call", "send"),
        {
            "--reply-to": QuickOption("in_reply_to", whole(1)),
            "--priority": QuickOption("priority", choice("low", "normal", "high")),
            "--ttl": QuickOption("ttl_seconds", seconds(SECONDS_MAX, positive=True)),
            "--delay": QuickOption("delay_seconds", seconds(SECONDS_MAX)),
            "--dedupe-key": QuickOption("dedupe_key", text),
            "--supersede-key": QuickOption("supersede_key", text),
            **_COMMON,
        },
        arguments=("to", "body"),
        required=1,
        defaults={"wait": None},
    ),
    "recv": QuickVerb(
        ("hive.harness.cli.call", "receive"),
        {
            "--max": QuickOption("most", whole(1, 32), 1),
            "--wait": QuickOption("wait", seconds(WAIT_MAX), 0.0),
            "--keep": QuickOption("keep"),
            "--queue": QuickOption("queue", text),
            **_COMMON,
        },
    ),
    "hook": QuickVerb(
        ("hive.harness.hook", "run"),
        {"--at-stop": QuickOption("at_stop", choice("notice", "continue"), "notice"), **_SOCKET},
    ),
}
"""Each verb, by name."""
