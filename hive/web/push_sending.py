"""Sends a notification to the push service of a browser, encrypted for that browser alone.

`http_ece` encrypts (RFC 8291), `py_vapid` signs (RFC 8292), `h11` speaks HTTP. The endpoint is an
URL that a browser has named, so this server connects to public addresses only, to the very address
that it has looked at; it follows no redirect, uses no proxy, and reads no more than the status.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import h11
import http_ece  # type: ignore[import-untyped]
from attrs import field, frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02, VapidException  # type: ignore[import-untyped]

from hive.escapes import inline
from hive.web.push_subscriptions import PushSubscription, is_public

SEND_SECONDS = 10.0
"""Seconds that a push service has for all of it."""

KEPT_SECONDS = 12 * 3600
"""Seconds for which a push service keeps a notification for a device that is off."""

TOPIC = "needs-you"
"""A notification that was not delivered yet is replaced by the next one."""

SIGNED_SECONDS = 3600
"""Seconds for which a push service takes a signature."""

ANSWER_MAX = 16_384
"""Bytes of the head of an answer."""

GONE = frozenset({404, 410})
"""Statuses of a subscription that has ended, see RFC 8030."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class SubscriptionGoneError(Exception):
    """The push service knows the subscription no more."""


class PushFailedError(Exception):
    """A notification did not arrive at its push service; the text says why."""


def new_key() -> str:
    """Return a new private key of this server as a sender, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


async def addresses_of(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of a host.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
    return [str(each[4][0]) for each in found]


@frozen
class PushSender:
    """Sends notifications.

    Attributes:
        key: The private key, in PEM.
        contact: Whom a push service may write to: the address of the dashboard, or a mail address.
        tls: Verifies push services.
        resolve: Returns the addresses of a host.
        is_allowed: Returns whether an address may be connected to.
        now: Returns wall seconds.
    """

    key: str
    contact: str
    tls: ssl.SSLContext = field(factory=ssl.create_default_context)
    resolve: Resolve = addresses_of
    is_allowed: Callable[[str], bool] = is_public
    now: Callable[[], float] = time.time

    @property
    def public_key(self) -> str:
        """The public key, as a browser takes it for a subscription: a point, as base64url."""
        point = (
            _private(self.key)
            .public_key()
            .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        )
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    async def send(self, to: PushSubscription, payload: str) -> None:
        """Send a notification.

        Raises:
            SubscriptionGoneError: The subscription has ended.
            PushFailedError: It did not arrive.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS):
                status = await self._status(to, payload)
        except TimeoutError:
            raise PushFailedError(f"no answer within {SEND_SECONDS:.0f} s") from None
        except (OSError, h11.ProtocolError, VapidException, ValueError) as error:
            raise PushFailedError(inline(f"{type(error).__name__}: {error}")) from error
        if status in GONE:
            raise SubscriptionGoneError
        if status >= 300:  # noqa: PLR2004 - of HTTP; a redirect is not followed
            raise PushFailedError(f"the push service answered with status {status}")

    async def _status(self, to: PushSubscription, payload: str) -> int:
        parts = urlsplit(to.endpoint)
        host, port = parts.hostname or "", parts.port or 443
        address = await self._address(host, port)
        body = encrypted(to, payload.encode())
        request = self._request(to, len(body))
        reader, writer = await asyncio.open_connection(
            address, port, ssl=self.tls, server_hostname=host, limit=ANSWER_MAX
        )
        try:
            return await _posted(reader, writer, request, body)
        finally:
            writer.transport.abort()  # what else the answer says does not matter

    async def _address(self, host: str, port: int) -> str:
        """Return an address that may be connected to; if one of the host may not, none may."""
        found = await self.resolve(host, port)
        if not found or not all(map(self.is_allowed, found)):
            raise PushFailedError(
                f"{inline(host)} has no address, or one that is not of the internet"
            )
        return found[0]

    def _request(self, to: PushSubscription, size: int) -> h11.Request:
        parts = urlsplit(to.endpoint)
        claims = {
            "aud": f"https://{parts.netloc}",
            "exp": int(self.now()) + SIGNED_SECONDS,
            "sub": self.contact,
        }
        return h11.Request(
            method="POST",
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers=[
                ("Host", parts.netloc),
                ("Connection", "close"),
                ("Content-Encoding", "aes128gcm"),
                ("Content-Length", str(size)),
                ("Content-Type", "application/octet-stream"),
                ("TTL", str(KEPT_SECONDS)),
                ("Topic", TOPIC),
                ("Urgency", "high"),
                *Vapid02(_private(self.key)).sign(claims).items(),
            ],
        )


async def _posted(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
) -> int:
    """Return the status that a request is answered with."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_MAX)
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(http.send(part) or b"")
    await writer.drain()
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(ANSWER_MAX))


def encrypted(to: PushSubscription, body: bytes) -> bytes:
    """Return a body that only the browser of a subscription can read, see RFC 8291.

    Raises:
        ValueError: The subscription's key is no point of the curve.
    """
    found: bytes = http_ece.encrypt(
        body,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=_bytes(to.key),
        auth_secret=_bytes(to.secret),
        version="aes128gcm",
    )
    return found


def contact_of(url: str) -> str:
    """Return whom push services may write to, for the address of a dashboard."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_name = "." in host and not host.replace(".", "").isdigit() and ":" not in host
    if parts.scheme == "https" and is_name:
        return f"https://{host}"
    return "mailto:operator@localhost"


def _private(pem: str) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
