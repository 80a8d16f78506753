"""An authenticator in software: what a phone or a security key does for a browser with passkeys."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

import cbor2
from attrs import define, field
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of authenticator data, see Web Authentication, 6.1."""


def base64url(data: bytes) -> str:
    """Return bytes as browsers send them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@define(eq=False)
class SoftwareAuthenticator:
    """Holds one passkey.

    Attributes:
        origin: The page that the browser shows.
        rp_id: The host that the browser takes the page to be of.
        flags: What it says of its user.
        counter: How often it has signed; it adds `step` each time.
    """

    origin: str
    rp_id: str
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    step: int = 1
    credential: bytes = field(factory=lambda: secrets.token_bytes(32))
    _key: ec.EllipticCurvePrivateKey = field(
        factory=lambda: ec.generate_private_key(ec.SECP256R1()), init=False
    )

    def make(self, options: Mapping[str, Any], **changed: Any) -> str:
        """Return what a browser answers to the options of a registration."""
        client = self._client("webauthn.create", options["challenge"], changed)
        data = self._data(ATTESTED) + self._attested()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {"clientDataJSON": base64url(client), "attestationObject": base64url(attestation)}
        )

    def sign(self, options: Mapping[str, Any], **changed: Any) -> str:
        """Return what a browser answers to the options of a login."""
        client = self._client("webauthn.get", options["challenge"], changed)
        data = self._data(0)
        signature = self._key.sign(
            data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256())
        )
        return self._answer(
            {
                "clientDataJSON": base64url(client),
                "authenticatorData": base64url(data),
                "signature": base64url(signature),
            }
        )

    def _client(self, kind: str, challenge: str, changed: Mapping[str, Any]) -> bytes:
        known = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps({**known, **changed}).encode()

    def _data(self, flags: int) -> bytes:
        self.counter += self.step
        head = hashlib.sha256(self.rp_id.encode()).digest()
        return head + bytes([self.flags | flags]) + self.counter.to_bytes(4, "big")

    def _attested(self) -> bytes:
        point = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        size = len(self.credential).to_bytes(2, "big")
        return bytes(16) + size + self.credential + cbor2.dumps(key)

    def _answer(self, response: Mapping[str, str]) -> str:
        number = base64url(self.credential)
        return json.dumps(
            {
                "id": number,
                "rawId": number,
                "type": "public-key",
                "clientExtensionResults": {},
                "response": response,
            }
        )
