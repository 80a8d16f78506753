"""Notifications at a push service that decrypts them, and what is not sent to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve
from http_ece import ECEException

from hive.web import push_sending
from hive.web.login_sessions import LoginSession
from hive.web.push_sending import (
    ANSWER_MAX,
    KEPT_SECONDS,
    PushFailedError,
    PushSender,
    SubscriptionGoneError,
    addresses_of,
    contact_of,
    new_key,
)
from hive.web.push_subscriptions import PushBook, PushSubscription, SavedPush
from tests.support.push_services import (
    NAME,
    PushBrowser,
    PushService,
    certificate_in,
    push_service,
    trusting,
)

NOW = 1_700_000_000.0
SESSION = LoginSession(1, "d", "s", NOW, NOW, NOW + 1000, "Firefox")
PAYLOAD = '{"title": "1 needs you"}'

pytestmark = pytest.mark.loops("asyncio")


@pytest.fixture(name="service")
async def _service(tmp_path: Path) -> AsyncIterator[PushService]:
    async with push_service(certificate_in(tmp_path)) as running:
        yield running


@pytest.fixture(name="sender")
def _sender(tmp_path: Path, service: PushService) -> PushSender:
    """A sender that trusts the service of the tests, and reaches it on this host."""
    return PushSender(
        new_key(),
        "https://hive.example.org",
        tls=trusting(tmp_path / f"{NAME}.pem"),
        resolve=service.resolve,
        is_allowed=lambda address: address == "127.0.0.1",
        now=lambda: NOW,
    )


def subscribed(browser: PushBrowser, endpoint: str) -> PushSubscription:
    book = PushBook()
    book.restore(SavedPush(), "a key")
    return browser.subscribed(book, endpoint, SESSION)


async def test_only_the_browser_can_read_what_the_service_gets(
    service: PushService, sender: PushSender
) -> None:
    browser = PushBrowser()
    await sender.send(subscribed(browser, service.endpoint("/send/1?x=y")), PAYLOAD)
    [got] = service.got
    assert browser.read(got) == {"title": "1 needs you"}
    assert b"needs you" not in got.body
    assert got.path == "/send/1?x=y"
    assert got.headers["host"] == f"{NAME}:{service.port}"
    assert got.headers["ttl"] == str(KEPT_SECONDS)
    assert (got.headers["topic"], got.headers["urgency"]) == ("needs-you", "high")
    with pytest.raises(ECEException):
        PushBrowser().read(got)


async def test_the_service_sees_who_sends(service: PushService, sender: PushSender) -> None:
    for number in range(2):
        await sender.send(subscribed(PushBrowser(), service.endpoint(f"/{number}")), PAYLOAD)
    for got in service.got:
        assert got.sender == sender.public_key
        assert got.claims == {
            "aud": f"https://{NAME}:{service.port}",
            "exp": NOW + 3600,
            "sub": "https://hive.example.org",
        }
    assert service.got[0].body != service.got[1].body


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_a_subscription_that_has_ended(
    service: PushService, sender: PushSender, status: str
) -> None:
    service.answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(SubscriptionGoneError):
        await sender.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Oops\r\n\r\n", "status 500"),
        (b"HTTP/1.1 429 Slow\r\n\r\n", "status 429"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n", "status 302"),
        (b"SSH-2.0-OpenSSH \x1b[2J\r\n\r\n", "ProtocolError"),
        (b"HTTP/1.1 201 Created\r\nX: " + b"x" * (2 * ANSWER_MAX), "ProtocolError"),
        (b"", "ProtocolError"),
    ],
)
async def test_an_answer_that_is_none_is_said(
    service: PushService, sender: PushSender, answer: bytes, said: str
) -> None:
    service.answer = answer
    with pytest.raises(PushFailedError, match=said) as raised:
        await sender.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)
    assert str(raised.value).isprintable()
    assert len(service.got) == 1, "a redirect is not followed"


async def test_only_the_status_is_read(service: PushService, sender: PushSender) -> None:
    service.answer = b"HTTP/1.1 201 Created\r\nContent-Length: 99999999\r\n\r\nmore and more"
    await sender.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)


async def test_a_service_that_does_not_answer_is_given_up(
    service: PushService, sender: PushSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_sending, "SEND_SECONDS", 0.3)
    service.answer = None
    with pytest.raises(PushFailedError, match="no answer within"):
        await sender.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)


async def test_nothing_is_sent_to_who_has_another_certificate(
    tmp_path: Path, service: PushService, sender: PushSender
) -> None:
    # The server's side of a handshake that was broken off.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    wary = evolve(sender, tls=trusting(certificate_in(tmp_path, "other.example.org")))
    with pytest.raises(PushFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        await wary.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)
    assert service.got == []


async def test_nothing_is_sent_to_this_host_or_its_network(
    service: PushService, sender: PushSender
) -> None:
    connected: list[str] = []

    async def mixed(host: str, port: int) -> list[str]:
        connected.append(host)
        return ["8.8.8.8", "127.0.0.1"]

    real = PushSender(sender.key, sender.contact, tls=sender.tls, resolve=mixed)
    with pytest.raises(PushFailedError, match=f"{NAME} has no address, or one that is not"):
        await real.send(subscribed(PushBrowser(), service.endpoint()), PAYLOAD)
    assert connected == [NAME]
    for host in ("127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433"):
        real = PushSender(sender.key, sender.contact, tls=sender.tls)
        with pytest.raises(PushFailedError):
            await real.send(subscribed(PushBrowser(), f"https://{host}:{service.port}/"), PAYLOAD)
    assert service.got == []


async def test_a_key_that_is_no_point_is_said(service: PushService, sender: PushSender) -> None:
    wrong = evolve_key(subscribed(PushBrowser(), service.endpoint()))
    with pytest.raises(PushFailedError, match="ValueError"):
        await sender.send(wrong, PAYLOAD)


def evolve_key(found: PushSubscription) -> PushSubscription:
    """Return the subscription with a point that is not on the curve."""
    return PushSubscription(
        found.id, 1, found.endpoint, "BA" + "A" * 85, found.secret, found.browser, 0.0
    )


async def test_the_addresses_of_a_name() -> None:
    assert "127.0.0.1" in await addresses_of("localhost", 443)
    with pytest.raises(OSError):  # noqa: PT011 - the text is the resolver's
        await asyncio.wait_for(addresses_of("nothing.invalid", 443), 20)


@pytest.mark.parametrize(
    ("url", "contact"),
    [
        ("https://hive.example.org:8443", "https://hive.example.org"),
        ("https://box", "mailto:operator@localhost"),
        ("https://10.0.0.1", "mailto:operator@localhost"),
        ("https://[::1]:7000", "mailto:operator@localhost"),
        ("http://localhost:7000", "mailto:operator@localhost"),
    ],
)
async def test_whom_a_push_service_may_write_to(
    service: PushService, sender: PushSender, url: str, contact: str
) -> None:
    assert contact_of(url) == contact
    await evolve(sender, contact=contact).send(
        subscribed(PushBrowser(), service.endpoint()), PAYLOAD
    )
    assert service.got[0].claims["sub"] == contact
