"""The word for the state of a message, in every view of messages."""

import pytest

from hive.view.lines import message_lines, step_line
from hive.view.message_states import message_state
from hive.view.timeline_lines import timeline_line
from hive.wire import question_ends

ANSWERED = question_ends.answered(12, "operator")


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [
        ("expired", ANSWERED, "answered"),
        ("expired", question_ends.answered(12, "alice was cancelled"), "answered"),
        ("expired", question_ends.cancelled(12), "cancelled"),
        ("expired", "the time of question 12 was over", "expired"),
        ("expired", "superseded by message 13", "expired"),
        ("expired", "question x was answered by bob", "expired"),
        ("expired", "question 12 was discarded by operator: question 1 was cancelled", "expired"),
        ("expired", None, "expired"),
        ("dead", ANSWERED, "dead"),
        ("acked", None, "acked"),
    ],
)
def test_a_question_that_was_settled_is_not_called_expired(
    state: str, reason: str | None, word: str
) -> None:
    assert message_state({"state": state, "reason": reason}) == word
    assert message_state({"step": state, "reason": reason}) == word


def test_each_line_has_the_word(now: float) -> None:
    settled = {"state": "expired", "reason": ANSWERED}
    row = {"id": 12, "from": "bob", "to": "operator", "body": "may I?", **settled}
    assert "[answered]  question 12" in message_lines(row, now)[0]
    step = {"at": "2023-11-14T22:09:20Z", "step": "expired", "reason": ANSWERED}
    assert step_line(step).split()[1] == "answered"
    entry = {"at": step["at"], "source": "message", "what": "sent", "number": 12}
    assert "[answered]" in timeline_line({**entry, "detail": {"to": "operator", **settled}})
