"""Which browsers are notified, and what an endpoint may be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError, NotFoundError
from hive.web.login_sessions import LoginSession
from hive.web.push_subscriptions import (
    SUBSCRIPTIONS_MAX,
    PushBook,
    SavedPush,
    check_endpoint,
    check_keys,
    is_public,
)
from tests.support.push_services import PushBrowser

NOW = 1_700_000_000.0
ENDPOINT = "https://push.example.org/send/"


def session(number: int) -> LoginSession:
    return LoginSession(number, "d", "s", NOW, NOW, NOW + 1000, "Firefox")


@pytest.fixture
def book() -> PushBook:
    made = PushBook()
    made.restore(SavedPush(), "a key")
    return made


def test_the_key_is_made_once(book: PushBook) -> None:
    assert (book.key, book.is_changed) == ("a key", True)
    later = PushBook()
    later.restore(book.saved(), "another key")
    assert (later.key, later.is_changed) == ("a key", False)


def test_a_session_has_one_subscription_and_a_browser_too(book: PushBook) -> None:
    browser = PushBrowser()
    browser.subscribed(book, ENDPOINT + "1", session(1))
    browser.subscribed(book, ENDPOINT + "2", session(1))
    browser.subscribed(book, ENDPOINT + "2", session(2))
    assert [(each.id, each.session) for each in book.all()] == [(3, 2)]


def test_subscriptions_are_bounded_and_the_oldest_goes(book: PushBook) -> None:
    browser = PushBrowser()
    for number in range(SUBSCRIPTIONS_MAX + 1):
        browser.subscribed(book, f"{ENDPOINT}{number}", session(number))
    assert [each.id for each in book.all()] == list(range(2, SUBSCRIPTIONS_MAX + 2))


def test_a_subscription_is_removed_or_ends_with_its_session(book: PushBook) -> None:
    browser = PushBrowser()
    for number in range(3):
        browser.subscribed(book, f"{ENDPOINT}{number}", session(number))
    book.remove(1)
    with pytest.raises(NotFoundError, match="no subscription 1"):
        book.remove(1)
    book.saved()
    book.keep_sessions({0, 1, 2})
    assert not book.is_changed, "nothing is written if nothing ends"
    book.keep_sessions({2, 7})
    assert [each.session for each in book.all()] == [2]


def test_what_became_of_a_notification_is_kept(book: PushBook) -> None:
    number = PushBrowser().subscribed(book, ENDPOINT, session(1)).id
    book.note(number, NOW, "status 500")
    assert [(each.sent, each.trouble) for each in book.all()] == [(None, "status 500")]
    book.note(number, NOW + 1, None)
    assert [(each.sent, each.trouble) for each in book.all()] == [(NOW + 1, None)]


def test_all_of_it_is_saved(book: PushBook) -> None:
    PushBrowser().subscribed(book, ENDPOINT, session(1))
    book.pushed = frozenset({"question-1 x"})
    text = msgspec.json.encode(book.saved())
    later = PushBook()
    later.restore(msgspec.json.decode(text, type=SavedPush), "")
    assert (later.all(), later.pushed) == (book.all(), book.pushed)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
        "https://web.push.apple.com/QGx?x=1",
        "https://push.example.org:8443/x",
    ],
)
def test_endpoints_as_browsers_name_them(endpoint: str) -> None:
    check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("", "http://push.example.org/", "file:///etc/passwd", "https://", "https:///x"),
        *("https://user:secret@push.example.org/", "https://push.example.org/#x", "gopher://x/"),
        *("https://push.example.org:x/", "https://push.example.org:0/", "https://[::1/"),
        *(
            "https://push.example.org/a b",
            "https://push.example.org/\r\nHost: x",
            "https://\u00e9/",
        ),
        "https://push.example.org/" + "x" * 1000,
    ],
)
def test_other_endpoints_are_refused(book: PushBook, endpoint: str) -> None:
    with pytest.raises(BadRequestError, match="push service"):
        PushBrowser().subscribed(book, endpoint, session(1))
    assert book.all() == ()


@given(st.text(max_size=200))
def test_whatever_else_is_an_endpoint_is_https(endpoint: str) -> None:
    try:
        check_endpoint(endpoint)
    except BadRequestError:
        return
    assert endpoint.startswith("https://")


@given(st.text(max_size=200), st.text(max_size=40))
def test_keys_have_their_size(key: str, secret: str) -> None:
    with pytest.raises(BadRequestError, match="no keys"):
        check_keys(key, secret)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "fec0::1", "64:ff9b:1::a00:1", "::127.0.0.1"),
    ],
)
def test_no_address_of_this_host_or_its_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)
