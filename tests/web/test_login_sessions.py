"""One-time links and sessions."""

from collections.abc import Callable
from itertools import count

import msgspec
import pytest

from hive.clock import DAY
from hive.errors import NotAllowedError, NotFoundError, RateLimitedError
from hive.web.login_sessions import (
    LINK_SECONDS,
    LINKS_MAX,
    SESSIONS_MAX,
    SavedSessions,
    SessionBook,
)
from hive.web.wrong_attempts import ATTEMPTS

NOW = 1_700_000_000.0


def tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"token-{next(numbers)}"


@pytest.fixture
def book() -> SessionBook:
    return SessionBook(30 * DAY, tokens())


def logged_in(book: SessionBook, now: float = NOW) -> str:
    return book.log_in(book.new_link(now), "Firefox", now)


def test_a_link_logs_in_once(book: SessionBook) -> None:
    link = book.new_link(NOW)
    cookie = book.log_in(link, "Firefox", NOW + 1)
    session = book.find(cookie, NOW + 2)
    assert session is not None
    assert (session.id, session.browser, session.began) == (1, "Firefox", NOW + 1)
    with pytest.raises(NotAllowedError, match=r"used already.*web-login"):
        book.log_in(link, "Firefox", NOW + 3)


@pytest.mark.parametrize(("after", "works"), [(LINK_SECONDS - 1, True), (LINK_SECONDS, False)])
def test_a_link_works_for_ten_minutes(book: SessionBook, after: float, works: bool) -> None:
    link = book.new_link(NOW)
    if works:
        assert book.log_in(link, "", NOW + after)
    else:
        with pytest.raises(NotAllowedError):
            book.log_in(link, "", NOW + after)


def test_links_are_few_and_the_oldest_goes(book: SessionBook) -> None:
    links = [book.new_link(NOW) for _ in range(LINKS_MAX + 1)]
    with pytest.raises(NotAllowedError):
        book.log_in(links[0], "", NOW)
    for link in links[1:]:
        book.log_in(link, "", NOW)


def test_a_clock_that_is_set_back_slows_nobody_down_for_long(book: SessionBook) -> None:
    for _ in range(ATTEMPTS):
        with pytest.raises(NotAllowedError):
            book.log_in("wrong", "", NOW)
    with pytest.raises(NotAllowedError, match="web-login"):
        book.log_in("wrong", "", NOW - 3600)


def test_wrong_links_are_slowed_down_and_never_keep_the_right_one_out(book: SessionBook) -> None:
    link = book.new_link(NOW)
    for _ in range(ATTEMPTS):
        with pytest.raises(NotAllowedError):
            book.log_in("guess", "", NOW)
    with pytest.raises(RateLimitedError, match=r"10 wrong links .* wait 50 s"):
        book.log_in("guess", "", NOW + 10)
    assert book.log_in(link, "", NOW + 10)
    with pytest.raises(NotAllowedError):
        book.log_in("guess", "", NOW + 61)


def test_a_session_ends_by_time(book: SessionBook) -> None:
    cookie = logged_in(book)
    assert book.find(cookie, NOW + 30 * DAY - 1) is not None
    assert book.find(cookie, NOW + 30 * DAY) is None
    assert book.all(NOW) == [], "and is gone for good"


def test_a_revoked_session_is_closed_at_once(book: SessionBook) -> None:
    cookie, other = logged_in(book), logged_in(book)
    session = book.find(cookie, NOW)
    assert session is not None
    assert book.is_open(session, NOW)
    book.revoke(session.id)
    assert book.find(cookie, NOW) is None
    assert not book.is_open(session, NOW)
    assert book.find(other, NOW) is not None
    with pytest.raises(NotFoundError, match="no session 1"):
        book.revoke(session.id)
    link = book.new_link(NOW)
    assert book.revoke_all() == 1
    with pytest.raises(NotAllowedError):
        book.log_in(link, "", NOW)


def test_sessions_are_bounded_and_the_one_that_was_not_used_for_longest_goes(
    book: SessionBook,
) -> None:
    cookies = [logged_in(book, NOW + at) for at in range(SESSIONS_MAX)]
    book.find(cookies[0], NOW + 1000)
    logged_in(book, NOW + 1001)
    assert book.find(cookies[0], NOW + 1001) is not None
    assert book.find(cookies[1], NOW + 1001) is None


def test_what_is_saved_lets_nobody_in_and_is_taken_over(book: SessionBook) -> None:
    cookie = logged_in(book)
    assert book.is_changed
    text = msgspec.json.encode(book.saved())
    assert not book.is_changed
    assert cookie.encode() not in text

    later = SessionBook(30 * DAY, lambda: "new")
    later.restore(msgspec.json.decode(text, type=SavedSessions), NOW + 1)
    assert later.find(cookie, NOW + 1) is not None
    logged_in(later)
    assert [each.id for each in later.all(NOW)] == [1, 2], "numbers are not used again"

    much_later = SessionBook(30 * DAY, tokens())
    much_later.restore(msgspec.json.decode(text, type=SavedSessions), NOW + 31 * DAY)
    assert much_later.find(cookie, NOW) is None


def test_use_is_saved_once_a_minute(book: SessionBook) -> None:
    cookie = logged_in(book)
    book.saved()
    book.find(cookie, NOW + 59)
    assert not book.is_changed
    book.find(cookie, NOW + 60)
    assert book.is_changed
