"""When a schedule is due: pure, over changes of the clock and of summer time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError
from hive.schedules.recurrence import SET_BACK, Due, Interval, look, read_recurrence
from hive.store.schedules import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()

WORDS = ["every 1m", "every 90m", "every 7h", "* * * * *", "*/20 * * * *", "30 2 * * *"]
WORDS += ["0 * * * *", "15 2-3 * * SUN", "0 0 29 2 *", "59 23 L * *", "0 9 * * 1-5"]
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]

words, zones = st.sampled_from(WORDS), st.sampled_from(ZONES)
times = st.floats(0.0, 4e9).map(lambda seconds: round(seconds, 3))


def local(*fields: int) -> float:
    return datetime(*fields, tzinfo=BERLIN).timestamp()  # type: ignore[arg-type, misc]


def following(text: str, start: float, count: int) -> list[str]:
    """Return the next local times, with the offset from UTC in hours."""
    recurrence, found = read_recurrence(text, "Europe/Berlin"), []
    for _ in range(count):
        start = recurrence.after(start, start)
        found.append(datetime.fromtimestamp(start, BERLIN).strftime("%d. %H:%M%z")[:-2])
    return found


def schedule(**changes: object) -> Schedule:
    plain = Schedule(
        name="bob",
        recurrence="every 1h",
        timezone="UTC",
        body="x",
        requested_by="operator",
        created_at=BEGAN,
        last_at=BEGAN,
        next_at=BEGAN + 3600,
    )
    return attrs.evolve(plain, **changes)


@given(words, zones, times, times)
def test_the_next_time_is_later_and_does_not_depend_on_when_one_looks(
    text: str, zone: str, now: float, began: float
) -> None:
    recurrence = read_recurrence(text, zone)
    first = recurrence.after(now, began)
    assert first > now
    assert recurrence.after((now + first) / 2, began) == pytest.approx(first, abs=1e-3)
    assert recurrence.after(first, began) > first


@given(st.floats(60, 1e6), times, times)
def test_an_interval_counts_from_its_beginning(seconds: float, now: float, began: float) -> None:
    found = Interval(seconds).after(now, began)
    assert now < found <= now + seconds * (1 + 1e-9) + 1e-3
    assert (found - began) / seconds == pytest.approx(round((found - began) / seconds), abs=1e-4)


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        # Summer time begins on March 29, 2026: 02:00 becomes 03:00.
        ("30 2 * * *", (2026, 3, 28, 12), ["29. 03:00+02", "30. 02:30+02"]),
        ("30 * * * *", (2026, 3, 29, 1), ["29. 01:30+01", "29. 03:30+02", "29. 04:30+02"]),
        # It ends on October 25: 03:00 becomes 02:00.
        ("30 2 * * *", (2026, 10, 24, 12), ["25. 02:30+02", "26. 02:30+01"]),
        ("0 * * * *", (2026, 10, 25, 1, 30), ["25. 02:00+02", "25. 02:00+01", "25. 03:00+01"]),
    ],
)
def test_summer_time(text: str, start: tuple[int, ...], expected: list[str]) -> None:
    assert following(text, local(*start), len(expected)) == expected


def test_the_second_of_two_equal_hours_is_later() -> None:
    """The cron expression has a time that has passed once already on this day."""
    within = datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN, fold=1).timestamp()
    assert following("30 2 * * *", within, 1) == ["26. 02:30+01"]


@pytest.mark.parametrize(
    ("text", "timezone", "sentence"),
    [
        ("every 59s", "UTC", "is 59 s, and the shortest interval is 60 s"),
        ("every", "UTC", "'every' is no schedule: write an interval such as 'every 2h'"),
        ("every day", "UTC", "'every day' is no interval: expected a duration"),
        ("every 400d", "UTC", "a duration is from 0 to 366 days"),
        ("0 9 * *", "UTC", "'0 9 * *' is no schedule"),
        ("* * * * * *", "UTC", "is no schedule"),
        ("@daily", "UTC", "is no schedule"),
        ("61 * * * *", "UTC", "'61 * * * *' is no cron expression: bad minute; see crontab"),
        ("0 0 30 2 *", "UTC", "bad day-of-month"),
        ("0 9 * * *", "Europe/Berlyn", "knows no time zone 'Europe/Berlyn'"),
        ("0 9 * * *", "../../../etc/passwd", "knows no time zone"),
        ("0 9 * * *", "/etc/localtime", "knows no time zone"),
    ],
)
def test_words_that_are_no_schedule(text: str, timezone: str, sentence: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        read_recurrence(text, timezone)
    assert sentence in str(refusal.value)


@given(st.text("0123456789*/-,#LWSUNMOA ", max_size=30))
def test_any_words_are_a_schedule_or_are_refused(text: str) -> None:
    try:
        recurrence = read_recurrence(text, "Europe/Berlin")
        assert recurrence.after(BEGAN, BEGAN) > BEGAN
    except BadRequestError:
        pass


def test_nothing_is_due_before_its_time() -> None:
    one = schedule()
    assert look(one, Interval(3600), BEGAN + 3599.9) is one


def test_what_is_due_once() -> None:
    found = look(schedule(), Interval(3600), BEGAN + 3600)
    assert isinstance(found, Due)
    assert (found.at, found.missed) == (BEGAN + 3600, False)
    assert found.schedule.next_at == BEGAN + 7200


@given(st.floats(0, 1e8))
def test_times_that_have_passed_are_one(late: float) -> None:
    found = look(schedule(), Interval(3600), BEGAN + 3600 + late)
    assert isinstance(found, Due)
    assert found.missed is (late >= 3600)
    assert look(found.schedule, Interval(3600), BEGAN + 3600 + late) is found.schedule


def test_a_clock_that_is_set_back_by_a_little_repeats_nothing() -> None:
    found = look(schedule(), Interval(3600), BEGAN + 3600)
    assert isinstance(found, Due)
    assert look(found.schedule, Interval(3600), BEGAN + 3600 - SET_BACK) is found.schedule


def test_a_clock_that_is_set_back_by_years_does_not_stop_a_schedule() -> None:
    ahead = schedule(last_at=BEGAN + 1e8, next_at=BEGAN + 1e8 + 3600)
    after = look(ahead, Interval(3600), BEGAN + 10)
    assert isinstance(after, Schedule)
    assert (after.last_at, after.next_at) == (BEGAN + 10, BEGAN + 3600)
