"""The verbs of `hive-c0re` that are read without click, see `hive.quick_command_lines`.

An option that is not here is left to click, as are those of verbs that wait or follow: they run for
longer than click takes.
"""

from __future__ import annotations

from hive.names import OPERATOR
from hive.quick_command_lines import QuickOption, QuickVerb, choice, seconds, text, whole
from hive.wire import SECONDS_MAX

_JSON = {"--json": QuickOption("as_json")}
_MOST = QuickOption("most", whole(1, 1000), 50)

QUICK_VERBS = {
    "send": QuickVerb(
        ("hive.cli.operator_sending", "send"),
        {
            "--reply-to": QuickOption("reply_to", whole(1)),
            "--priority": QuickOption("priority", choice("low", "normal", "high")),
            "--ttl": QuickOption("ttl_seconds", seconds(SECONDS_MAX, positive=True)),
            "--delay": QuickOption("delay_seconds", seconds(SECONDS_MAX)),
            "--dedupe-key": QuickOption("dedupe_key", text),
            "--supersede-key": QuickOption("supersede_key", text),
            **_JSON,
        },
        arguments=("name", "body"),
        required=1,
        defaults={"wait": None},
    ),
    "list": QuickVerb(
        ("hive.cli.participant_list", "list_participants"),
        {"--agents": QuickOption("agents"), "--peers": QuickOption("peers"), **_JSON},
    ),
    "status": QuickVerb(
        ("hive.cli.state_reading", "show_status"),
        _JSON,
        arguments=("name",),
        defaults={"watch": None, "columns": None, "order": None},
    ),
    "statusline": QuickVerb(("hive.cli.statusline", "show_statusline"), _JSON),
    "inbox": QuickVerb(
        ("hive.cli.inbox_reading", "show_inbox"),
        {
            "--unread": QuickOption("unread"),
            "--ack": QuickOption("ack"),
            "--after": QuickOption("after", whole(0)),
            "-n": _MOST,
            **_JSON,
        },
        arguments=("name",),
        defaults={"name": OPERATOR, "follows": False},
    ),
}
"""Each verb, by name."""
