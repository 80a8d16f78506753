"""The heap of deadlines against the obvious dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from hive.broker.deadlines import Deadlines

keys = st.integers(0, 9)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, st.integers(0, 50)),
        st.tuples(st.just("discard"), keys, st.just(0)),
        st.tuples(st.just("pop"), st.just(0), st.integers(0, 50)),
    ),
    max_size=60,
)


@given(steps)
def test_behaves_like_a_dictionary_of_times(steps: list[tuple[str, int, int]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, float] = {}
    for step, key, when in steps:
        if step == "set":
            deadlines.set(key, when)
            model[key] = when
        elif step == "discard":
            deadlines.discard(key)
            model.pop(key, None)
        else:
            due = deadlines.pop_due(when)
            assert set(due) == {found for found, at in model.items() if at <= when}
            times = [model.pop(found) for found in due]
            assert times == sorted(times)
        assert deadlines.next() == min(model.values(), default=None)
        assert len(deadlines) == len(model)


def test_the_earliest_is_due_first_and_ties_keep_their_order() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for key, when in (("c", 3.0), ("a", 1.0), ("b", 1.0)):
        deadlines.set(key, when)
    assert deadlines.pop_due(3.0) == ["a", "b", "c"]


def test_discarded_entries_do_not_pile_up() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for key in range(10_000):
        deadlines.set(key, 900.0 + key)
        deadlines.discard(key)
    assert len(deadlines._heap) < 200


def test_clear_forgets_everything() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.clear()
    assert deadlines.next() is None
    assert deadlines.pop_due(10.0) == []


def test_a_key_that_is_set_again_for_the_same_time_does_not_pile_up_either() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for _ in range(10_000):
        deadlines.set(1, 900.0)
    assert len(deadlines._heap) < 200
    assert deadlines.pop_due(900.0) == [1]
