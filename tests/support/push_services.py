"""A push service of the tests: it takes notifications by TLS, and a browser decrypts them."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import http_ece
from attrs import define, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from py_vapid import Vapid02
from py_vapid.jwt import decode

from hive.web.login_sessions import LoginSession
from hive.web.push_subscriptions import PushBook, PushSubscription
from tests.support.authenticators import base64url

NAME = "push.example.org"
"""The name that its certificate is for."""


@frozen
class Notification:
    """What came for a browser.

    Attributes:
        path: The path of the endpoint.
        headers: The headers, by lower-case name.
        body: The encrypted body.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def claims(self) -> Mapping[str, Any]:
        """What its sender has signed, verified with the key that it names."""
        assert Vapid02.verify(self.headers["authorization"])
        words = self.headers["authorization"].partition(" ")[2].split(",")
        parts = dict(each.split("=", 1) for each in words)
        return dict(decode(parts["t"], parts["k"]))

    @property
    def sender(self) -> str:
        """The public key of its sender."""
        return self.headers["authorization"].rpartition("k=")[2]


@define(eq=False)
class PushBrowser:
    """A browser that is subscribed: it has the private half of a subscription."""

    _key: ec.EllipticCurvePrivateKey = field(
        factory=lambda: ec.generate_private_key(ec.SECP256R1()), init=False
    )
    secret: bytes = b"sixteen bytes ok"

    @property
    def keys(self) -> tuple[str, str]:
        """The public key and the secret of its subscription."""
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return base64url(point), base64url(self.secret)

    def read(self, notification: Notification) -> dict[str, Any]:
        """Decrypt what came."""
        assert notification.headers["content-encoding"] == "aes128gcm"
        found: dict[str, Any] = json.loads(
            http_ece.decrypt(
                notification.body,
                private_key=self._key,
                auth_secret=self.secret,
                version="aes128gcm",
            )
        )
        return found

    def subscribed(
        self, book: PushBook, endpoint: str, session: LoginSession, now: float = 0.0
    ) -> PushSubscription:
        """Return its subscription in a book."""
        return book.add(session, endpoint, *self.keys, now)


@define(eq=False)
class PushService:
    """A push service that listens.

    Attributes:
        port: Its port.
        answer: What it answers, before it closes the connection; None for nothing at all.
        got: What came.
    """

    port: int = 0
    answer: bytes | None = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    got: list[Notification] = field(factory=list)

    def endpoint(self, path: str = "/send/1") -> str:
        """Return an endpoint at this service."""
        return f"https://{NAME}:{self.port}{path}"

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return where its name leads."""
        assert (host, port) == (NAME, self.port)
        return ["127.0.0.1"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one notification."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): text for name, _, text in (line.partition(": ") for line in head[1:])
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.got.append(Notification(head[0].split(" ")[1], headers, body))
            if self.answer is None:
                await reader.read()
            else:
                writer.write(self.answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def push_service(certificate: Path) -> AsyncIterator[PushService]:
    """Run a push service with a certificate that `certificate_in` has made."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    service = PushService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, ssl=tls)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        await server.wait_closed()


def certificate_in(directory: Path, name: str = NAME) -> Path:
    """Make a certificate for a name, signed by itself, with its key; return the file of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return what verifies a push service by its certificate."""
    return ssl.create_default_context(cafile=str(certificate))


def decoded(text: str) -> bytes:
    """Return the bytes of base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
