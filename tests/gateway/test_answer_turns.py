"""Large answers of a participant: one at a time, in turns, none without room or client."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hive.gateway.answer_turns import AnswerTurns


def add(turns: AnswerTurns, begun: list[str], *names: str) -> None:
    """Add answers; the first letter of a name is its connection."""
    for name in names:
        turns.add(name[0], lambda name=name: begun.append(name))


def test_connections_take_turns_and_each_keeps_the_order_of_its_requests() -> None:
    turns, begun = AnswerTurns(), list[str]()
    add(turns, begun, "a1", "a2", "a3", "b1", "b2")
    assert begun == ["a1"], "one at a time"
    for _ in range(5):
        turns.end()
    assert begun == ["a1", "a2", "b1", "a3", "b2"]


def test_nothing_is_begun_without_room() -> None:
    turns, begun = AnswerTurns(), list[str]()
    turns.set_room(False)
    add(turns, begun, "a1", "a2")
    assert begun == []
    turns.set_room(True)
    turns.set_room(True)
    assert begun == ["a1"]


def test_what_waits_for_a_connection_that_has_ended_is_dropped() -> None:
    turns, begun = AnswerTurns(), list[str]()
    add(turns, begun, "a1", "a2", "b1")
    turns.leave("a")
    assert begun == ["a1"], "what was begun keeps its turn"
    turns.end()
    turns.end()
    assert begun == ["a1", "b1"]


@given(st.lists(st.sampled_from(["add a", "add b", "end", "room", "no room", "leave a"])))
def test_at_most_one_is_made_at_a_time_and_none_is_forgotten(steps: list[str]) -> None:
    turns, begun = AnswerTurns(), list[str]()
    added = ended = 0
    has_left = False
    for step in steps:
        match step.split():
            case ["add", name]:
                added += 1
                add(turns, begun, name)
            case ["leave", name]:
                has_left = True
                turns.leave(name)
            case ["end"] if len(begun) > ended:
                ended += 1
                turns.end()
            case ["room"]:
                turns.set_room(True)
            case ["no", "room"]:
                turns.set_room(False)
        assert len(begun) - ended <= 1
    turns.set_room(True)
    for _ in range(added - ended):
        if len(begun) > ended:
            ended += 1
            turns.end()
    assert has_left or len(begun) == added
