"""All pages of the dashboard, each with something on it."""

from __future__ import annotations

import json

from tests.browser.swarm import BrowsedHive
from tests.support.daemons import eventually

LONG = (
    "a sentence that is longer than a phone is wide, with-a-word-that-does-not-end-"
    + "x" * 80
    + "\nand a line" * 60
)


def every_page(hive: BrowsedHive, text: str = LONG) -> list[str]:
    """Put a text of agents wherever one can be, and return the pages that show it.

    Args:
        hive: The hive.
        text: What the agents say.
    """
    hive.deploy()
    question = hive.ask(text, "merge", text[:60])
    hive.participant("damocles", "set_status", text=text[:150])
    edit = {"file_path": text[:60], "old_string": text[:300], "new_string": text[:300]}
    hive.turn_events(
        ("text", text),
        ("tool", f"Edit {json.dumps(edit)}"),
        ("tool_result", f"@@ -1 +1 @@\n-old\n+{text}"),
        ("note", text),
    )
    asked = hive.propose("greta", f"#!/bin/sh\nexec echo '{text}'\n", text[:300])
    hive.dead_letter(text)
    mail = hive.participant("damocles", "send", to="operator", body=text)["id"]
    hive.operator("send", to="alice", body=text)
    eventually(lambda: hive.operator("turns", name="alice")["turns"], what="a turn of alice")
    return [
        "/",
        "/agent/alice/",
        "/agent/bob/",
        "/agent/damocles/",
        "/agent/alice/?hide=header,input",
        "/approvals",
        f"/approval/{asked['id']}",
        "/mail",
        "/mail?text=sentence",
        f"/message/{mail}",
        "/dead-letters",
        "/agent/alice/statistics",
        "/agent/alice/output",
        "/deploys",
        "/events",
        "/audit",
        "/account",
        "/needs-you",
        f"/needs-you/question-{question}",
        f"/needs-you/approval-{asked['id']}",
        "/login",
    ]
