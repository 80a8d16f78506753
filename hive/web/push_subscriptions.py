"""Which browsers are notified: their subscriptions, and what was sent of already. Pure.

A subscription belongs to the session of its browser, and ends with it. Its endpoint is an URL that
a browser names, so it is checked here for its form, and when something is sent for its address.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

import msgspec
from attrs import define, field

from hive.errors import BadRequestError, NotFoundError
from hive.web.login_sessions import LoginSession

SUBSCRIPTIONS_MAX = 20
"""Subscriptions at once; a further one ends the oldest."""

ENDPOINT_MAX = 1000
"""Characters of an endpoint."""

TROUBLE_MAX = 200
"""Characters of why a notification did not arrive."""

POINT_BYTES, SECRET_BYTES = 65, 16
"""Bytes of the two keys of a subscription, see RFC 8291."""

_LEADING_ELSEWHERE = (
    *(ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48")),  # NAT64
    *(ipaddress.ip_network("::/96"), ipaddress.ip_network("fec0::/10")),  # of IPv4, of a site
)
"""Networks of IPv6 that lead to any address of IPv4, or to this site; for Python, they are of
the internet."""


class PushSubscription(msgspec.Struct, frozen=True):
    """A browser that is notified.

    Attributes:
        id: Its number, by which it is removed.
        session: The session of its browser.
        endpoint: Where its push service takes notifications.
        key: Its public key, as base64url.
        secret: The secret that it shares with this server, as base64url.
        browser: What the browser calls itself; not verified.
        began: Since when, in wall seconds.
        sent: When something last arrived at its push service, in wall seconds; None if nothing did.
        trouble: Why the last notification did not arrive there.
        warned: Whether it was notified that its session ends.
    """

    id: int
    session: int
    endpoint: str
    key: str
    secret: str
    browser: str
    began: float
    sent: float | None = None
    trouble: str | None = None
    warned: bool = False


class SavedPush(msgspec.Struct, frozen=True):
    """What is kept on disk.

    Attributes:
        key: The private key of this server as a sender, in PEM; empty before the first start.
        last_id: The number of the newest subscription there ever was.
        subscriptions: The subscriptions.
        pushed: The items that were sent, see `hive.web.push_rules`.
    """

    key: str = ""
    last_id: int = 0
    subscriptions: tuple[PushSubscription, ...] = ()
    pushed: tuple[str, ...] = ()


@define
class PushBook:
    """All subscriptions, the items that were sent, and the key of this server.

    Attributes:
        is_changed: Whether there is something to save.
    """

    is_changed: bool = field(default=False, init=False)
    _saved: SavedPush = field(factory=SavedPush, init=False)

    def restore(self, saved: SavedPush, new_key: str) -> None:
        """Take over what an earlier process has kept; without one, keep the new key."""
        self._saved = saved
        if not saved.key:
            self._change(key=new_key)

    def saved(self) -> SavedPush:
        """Return what is to be kept on disk; then nothing is left to save."""
        self.is_changed = False
        return self._saved

    def all(self) -> tuple[PushSubscription, ...]:
        """Return the subscriptions, oldest first."""
        return self._saved.subscriptions

    def add(
        self, session: LoginSession, endpoint: str, key: str, secret: str, now: float
    ) -> PushSubscription:
        """Add the subscription of a session's browser; it replaces an earlier one.

        Raises:
            BadRequestError: The endpoint or a key cannot be one.
        """
        check_endpoint(endpoint)
        check_keys(key, secret)
        others = [
            each for each in self.all() if each.session != session.id and each.endpoint != endpoint
        ]
        number = self._saved.last_id + 1
        added = PushSubscription(
            number, session.id, endpoint, key, secret, session.browser, began=now
        )
        left = others[-(SUBSCRIPTIONS_MAX - 1) :]
        self._change(last_id=number, subscriptions=(*left, added))
        return added

    def remove(self, number: int) -> None:
        """End a subscription.

        Raises:
            NotFoundError: There is none of that number.
        """
        if not self.forget(number):
            raise NotFoundError(f"there is no subscription {number}")

    def forget(self, number: int) -> bool:
        """End a subscription; return whether there was one of that number."""
        return self._keep(each for each in self.all() if each.id != number)

    def keep_sessions(self, sessions: Collection[int]) -> None:
        """End the subscriptions of all sessions but these."""
        self._keep(each for each in self.all() if each.session in sessions)

    def _keep(self, left: Iterable[PushSubscription]) -> bool:
        found = tuple(left)
        is_less = len(found) < len(self.all())
        if is_less:
            self._change(subscriptions=found)
        return is_less

    def note(self, number: int, now: float, trouble: str | None) -> None:
        """Take note that a notification arrived at the push service, or why it did not."""
        if trouble is None:
            self._replace(number, sent=now, trouble=None)
        else:
            self._replace(number, trouble=trouble)

    def warn(self, number: int) -> None:
        """Take note that a device is notified of the end of its session."""
        self._replace(number, warned=True)

    def _replace(self, number: int, **fields: object) -> None:
        found = (
            msgspec.structs.replace(each, **fields) if each.id == number else each
            for each in self.all()
        )
        self._change(subscriptions=tuple(found))

    @property
    def key(self) -> str:
        """The private key of this server as a sender, in PEM."""
        return self._saved.key

    @property
    def pushed(self) -> frozenset[str]:
        """The items that were sent."""
        return frozenset(self._saved.pushed)

    @pushed.setter
    def pushed(self, keys: Iterable[str]) -> None:
        found = tuple(sorted(keys))
        if found != self._saved.pushed:
            self._change(pushed=found)

    def _change(self, **fields: object) -> None:
        self._saved = msgspec.structs.replace(self._saved, **fields)
        self.is_changed = True


def check_endpoint(endpoint: str) -> None:
    """Require the address of a push service as browsers name it.

    Raises:
        BadRequestError: It is not https, too long, or has parts that no push service has.
    """
    is_plain = endpoint.isascii() and endpoint.isprintable() and " " not in endpoint
    if len(endpoint) > ENDPOINT_MAX or not is_plain:
        raise BadRequestError(
            f"the address of a push service has at most {ENDPOINT_MAX} characters"
        )
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        is_address = None
    if not is_address or "@" in parts.netloc or parts.fragment:
        raise BadRequestError("the address of a push service is https://HOST/PATH")


def check_keys(key: str, secret: str) -> None:
    """Require the keys of a subscription, as base64url.

    Raises:
        BadRequestError: They are not of the right size.
    """
    point = _decoded(key)
    if len(point) != POINT_BYTES or point[:1] != b"\x04" or len(_decoded(secret)) != SECRET_BYTES:
        raise BadRequestError("these are no keys of a subscription; turn notifications on again")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the internet, and not of this host or its network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        is_elsewhere = any(found in each for each in _LEADING_ELSEWHERE)
        if is_elsewhere or found.sixtofour is not None or found.teredo is not None:
            return False  # these lead to IPv4 addresses of any kind
        found = found.ipv4_mapped or found
    return found.is_global and not found.is_multicast
