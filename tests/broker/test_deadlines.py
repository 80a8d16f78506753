"""The heap of deadlines compared with a dictionary, and the groups of waits."""

from hypothesis import given
from hypothesis import strategies as st

from hive.broker.deadlines import Deadlines, Waits
from hive.broker.inboxes import Inbox
from hive.broker.sessions import Parked, Session
from hive.store import Kind

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


def test_clear_removes_everything() -> None:
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


def parked() -> Parked:
    session, inbox = Session("bob", Kind.AGENT), Inbox("bob")
    one = Parked(session, None, inbox, 1, False, False, waiting=inbox.waiting)
    inbox.waiting[one] = None
    session.parked = {one: None}
    return one


def test_a_longer_wait_ends_later_and_a_served_receiver_does_not_time_out() -> None:
    waits = Waits()
    long, short, served = parked(), parked(), parked()
    assert waits.add(long, 60.0, 0.0)
    assert waits.add(short, 10.0, 5.0)
    assert not waits.add(served, 10.0, 6.0), "its group is there already"
    assert served.unpark()
    assert not served.unpark()
    assert waits.next() == 15.0
    assert waits.pop_due(14.9) == []
    assert waits.pop_due(60.0) == [short, long]
    assert waits.next() is None


def test_empty_groups_of_receivers_are_removed_in_the_end() -> None:
    waits = Waits()
    last = parked()
    waits.add(last, 180.0, 0.0)
    for number in range(10_000):
        gone = parked()
        waits.add(gone, 1.0 + number / 1000, 0.0)
        gone.unpark()
    assert len(waits._groups) < 200
    assert waits.pop_due(1e9) == [last]


@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 5.0, 20.0]), st.booleans(), st.floats(0, 10)), max_size=60
    )
)
def test_waits_end_when_their_time_has_come_and_never_before(
    steps: list[tuple[float, bool, float]],
) -> None:
    waits, now = Waits(), 0.0
    alive: dict[Parked, float] = {}
    for wait, gives_up, passes in steps:
        one = parked()
        waits.add(one, wait, now)
        alive[one] = now + wait
        if gives_up:
            first = next(iter(alive))
            first.unpark()
            del alive[first]
        now += passes
        due = waits.pop_due(now)
        assert set(due) == {each for each, until in alive.items() if until <= now}
        for each in due:
            del alive[each]
        following = waits.next()
        assert (following is None) == (not alive)
        assert following is None or following <= min(alive.values())
