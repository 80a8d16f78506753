"""Passkeys: a second way to log in, by the authenticator of a phone or a computer.

A passkey is registered from a session only. Both registration and login need that the authenticator
verifies its user. The signatures are checked by the library `webauthn`; see the specification of
Web Authentication, level 3.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import webauthn
from attrs import define, field, frozen
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
)
from hive.escapes import inline
from hive.web.passkey_challenges import NONCE_BYTES, Challenges
from hive.web.wrong_attempts import WrongAttempts

PASSKEYS_MAX = 20
"""Passkeys at once."""

NAME_MAX = 40
"""Characters of a passkey's name."""

ANSWER_MAX = 16_384
"""Characters of an authenticator's answer."""

USER_BYTES = 32
"""Random bytes of the number by which authenticators know the operator of this hive."""

_LOGIN = "log in"

V = TypeVar("V")


class Passkey(msgspec.Struct, frozen=True):
    """The public half of a passkey. Times are wall seconds.

    Attributes:
        id: Its number, by which it is removed.
        credential: The number that its authenticator has given it, as base64url.
        key: Its public key, in COSE.
        counter: How often its authenticator says that it was used; 0 if it does not count.
        name: What the operator calls it.
        added: When it was registered.
        used: When it last logged in; None if it never did.
    """

    id: int
    credential: str
    key: bytes
    counter: int
    name: str
    added: float
    used: float | None = None


class SavedPasskeys(msgspec.Struct, frozen=True):
    """What is kept on disk.

    Attributes:
        user: The number by which authenticators know the operator, as base64url.
        last_id: The number of the newest passkey there ever was.
        passkeys: The passkeys.
    """

    user: str = ""
    last_id: int = 0
    passkeys: tuple[Passkey, ...] = ()


@frozen
class PasskeySite:
    """The address that passkeys are bound to.

    Attributes:
        url: The address by which browsers reach the dashboard, without a path.
    """

    url: str

    @property
    def name(self) -> str:
        """The host, which authenticators bind a passkey to."""
        return urlsplit(self.url).hostname or ""

    def trouble(self, host: str) -> str | None:
        """Return why a browser takes no passkeys here; None if it does.

        Args:
            host: The header `Host` of the browser's request.
        """
        is_secure = self.url.startswith("https://")
        if _is_number(self.name):
            return (
                f"passkeys are bound to a name, and {self.name} is an address: set 'url' in [web] "
                "of hive.toml to https://NAME, or to http://hive.localhost:PORT"
            )
        if not is_secure and f".{self.name}"[-10:] != ".localhost":
            return f"passkeys need https, and the address of this dashboard is {self.url}"
        if host.casefold() != urlsplit(self.url).netloc.casefold():
            return f"passkeys work at {self.url}, and this page was opened as {inline(host[:100])}"
        return None


@define
class PasskeyBook:
    """All passkeys.

    Attributes:
        site: The address that they are bound to.
        challenges: What authenticators sign.
        random: Returns random bytes.
        is_changed: Whether there is something to save.
    """

    site: PasskeySite
    random: Callable[[int], bytes] = secrets.token_bytes
    challenges: Challenges = field(init=False)
    is_changed: bool = field(default=False, init=False)
    _saved: SavedPasskeys = field(factory=SavedPasskeys, init=False)
    _wrong: WrongAttempts = field(factory=lambda: WrongAttempts("passkeys"), init=False)

    def __attrs_post_init__(self) -> None:
        self.challenges = Challenges(self.random(USER_BYTES))

    # On disk

    def restore(self, saved: SavedPasskeys) -> None:
        """Take over the passkeys of an earlier process."""
        self._saved = saved

    def saved(self) -> SavedPasskeys:
        """Return what is to be kept on disk; then nothing is left to save."""
        self.is_changed = False
        return self._saved

    # Registration

    def registration(self, session: str, now: float) -> str:
        """Return what a browser needs to make a passkey, as JSON.

        Args:
            session: What identifies the session that asks.
            now: Wall seconds.

        Raises:
            ConflictError: There are too many passkeys.
        """
        if len(self._saved.passkeys) >= PASSKEYS_MAX:
            raise ConflictError(f"there are {PASSKEYS_MAX} passkeys already; remove one first")
        if not self._saved.user:
            self._change(user=bytes_to_base64url(self.random(USER_BYTES)))
        options = webauthn.generate_registration_options(
            rp_id=self.site.name,
            rp_name="hive",
            user_name=f"operator of {self.site.name}",
            user_id=base64url_to_bytes(self._saved.user),
            challenge=self.challenges.new(f"register {session}", self.random(NONCE_BYTES), now),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(base64url_to_bytes(each.credential))
                for each in self._saved.passkeys
            ],
        )
        return webauthn.options_to_json(options)

    def register(self, session: str, name: str, answer: str, now: float) -> Passkey:
        """Add the passkey that an authenticator has made.

        Args:
            session: What identifies the session that asks.
            name: What the operator calls it.
            answer: The authenticator's answer, as JSON.
            now: Wall seconds.

        Raises:
            HiveError: It is no such answer, or there are too many passkeys.
        """
        if len(self._saved.passkeys) >= PASSKEYS_MAX:
            raise ConflictError(f"there are {PASSKEYS_MAX} passkeys already; remove one first")
        called = _name(name) or f"passkey {self._saved.last_id + 1}"
        found, challenge = _read(answer)
        self.challenges.check(challenge, f"register {session}", now)
        verified = _verified(
            lambda: webauthn.verify_registration_response(
                credential=found,
                expected_challenge=challenge,
                expected_rp_id=self.site.name,
                expected_origin=self.site.url,
                require_user_verification=True,
            )
        )
        credential = bytes_to_base64url(verified.credential_id)
        if self._find(credential) is not None:
            raise ConflictError("this passkey is registered already")
        self.challenges.use(challenge, now)
        added = Passkey(
            id=self._saved.last_id + 1,
            credential=credential,
            key=verified.credential_public_key,
            counter=verified.sign_count,
            name=called,
            added=now,
        )
        self._change(last_id=added.id, passkeys=(*self._saved.passkeys, added))
        return added

    # Logging in

    def login(self, now: float) -> str:
        """Return what a browser needs to log in by a passkey, as JSON.

        It does not say which passkeys there are: the authenticator knows its own.
        """
        options = webauthn.generate_authentication_options(
            rp_id=self.site.name,
            challenge=self.challenges.new(_LOGIN, self.random(NONCE_BYTES), now),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def log_in(self, answer: str, now: float) -> Passkey:
        """Return the passkey that an authenticator has signed with.

        Raises:
            NotAllowedError: It has not, or its counter has not risen: the passkey was copied.
            RateLimitedError: So it is, and there were too many such lately.
        """
        try:
            return self._logged_in(answer, now)
        except HiveError:
            self._wrong.count(now)
            raise

    def _logged_in(self, answer: str, now: float) -> Passkey:
        found, challenge = _read(answer)
        known = self._find(str(found.get("id")))
        if known is None:
            raise NotAllowedError("this passkey is not registered here, or was removed")
        self.challenges.check(challenge, _LOGIN, now)
        verified = _verified(
            lambda: webauthn.verify_authentication_response(
                credential=found,
                expected_challenge=challenge,
                expected_rp_id=self.site.name,
                expected_origin=self.site.url,
                credential_public_key=known.key,
                credential_current_sign_count=known.counter,
                require_user_verification=True,
            )
        )
        self.challenges.use(challenge, now)
        used = msgspec.structs.replace(known, counter=verified.new_sign_count, used=now)
        self._change(
            passkeys=tuple(used if each is known else each for each in self._saved.passkeys)
        )
        return used

    # The passkeys

    def all(self) -> tuple[Passkey, ...]:
        """Return the passkeys, oldest first."""
        return self._saved.passkeys

    def remove(self, number: int) -> None:
        """Forget a passkey.

        Raises:
            NotFoundError: There is none of that number.
        """
        left = tuple(each for each in self._saved.passkeys if each.id != number)
        if len(left) == len(self._saved.passkeys):
            raise NotFoundError(f"there is no passkey {number}")
        self._change(passkeys=left)

    def _find(self, credential: str) -> Passkey | None:
        return next((each for each in self.all() if each.credential == credential), None)

    def _change(self, **fields: Any) -> None:
        self._saved = msgspec.structs.replace(self._saved, **fields)
        self.is_changed = True


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > NAME_MAX or not name.isprintable():
        raise BadRequestError(f"a name has at most {NAME_MAX} characters, all of them printable")
    return name


def _read(answer: str) -> tuple[dict[str, Any], bytes]:
    """Return an authenticator's answer, and the challenge that it says to have signed."""
    if len(answer) > ANSWER_MAX:
        raise TooLargeError(f"the answer of an authenticator has at most {ANSWER_MAX} characters")
    try:
        found = json.loads(answer)
        data = base64url_to_bytes(found["response"]["clientDataJSON"])
        return found, parse_client_data_json(data).challenge
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        WebAuthnException,
    ) as error:
        raise BadRequestError("this is no answer of an authenticator") from error


def _verified(verify: Callable[[], V]) -> V:
    """Return what the library makes of an answer.

    Whatever it raises is a refusal: what a browser sends is decoded by several libraries in turn.
    """
    try:
        return verify()
    except Exception as error:
        raise NotAllowedError(f"the passkey was refused: {inline(str(error)[:200])}") from error


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
