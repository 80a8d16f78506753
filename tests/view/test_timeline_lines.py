"""Entries of a timeline as lines, each by its source; no text of others controls a terminal."""

from __future__ import annotations

from hive.view.timeline_lines import timeline_line

AT = "2026-11-29T00:00:00.000Z"


def line(source: str, what: str, **detail: object) -> str:
    return timeline_line(
        {"at": AT, "source": source, "number": 7, "what": what, "detail": detail}
    ).removeprefix(f"{AT}  ")


def test_an_event_has_its_details() -> None:
    assert line("event", "ended", reason="exited with status 4", exit_status=4) == (
        "event    ended  reason=exited with status 4  exit_status=4"
    )


def test_a_message_has_its_other_end_and_its_state() -> None:
    common = {"from": "bob", "to": "alice", "state": "acked", "body": "hi\nthere"}
    assert line("message", "received", **common) == (
        "message  received #7 from bob  [acked]  hi\\nthere"
    )
    assert line("message", "sent", **common, in_reply_to=3, reason="late") == (
        "message  sent #7 to alice  [acked]  reply to #3  late  hi\\nthere"
    )


def test_a_turn_has_its_messages_tokens_and_cost() -> None:
    found = line(
        "turn",
        "done",
        seconds=75.0,
        wake="message",
        messages=[3, 4],
        input_tokens=10,
        output_tokens=5,
        cost_usd=0.5,
        note="n",
    )
    assert found == "turn     done  1m  message  for #3, #4  15 tokens  $0.5000  n"


def test_the_audit_has_who_did_what() -> None:
    assert line("audit", "open_shell", outcome="refused", actor="operator", reason="no") == (
        "audit    operator: open_shell refused  no"
    )
    assert line("audit", "kill", outcome="done", actor="operator", via="phone \x1b[2J") == (
        "audit    operator: kill done  via=phone \\x1b[2J"
    )


def test_a_line_of_output_is_escaped_and_has_no_word() -> None:
    assert line("output", "printed", line="ready \x1b[2J") == "output   ready \\x1b[2J"


def test_hostile_text_is_shown_as_escapes_and_cut() -> None:
    shown = line("message", "sent", to="\x1b]0;x\x07", body="\x1b[2J" + "x" * 500)
    assert "\x1b" not in shown
    assert "\\x1b]0;x\\x07" in shown
    assert len(shown) < 300
