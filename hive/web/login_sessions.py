"""Who is logged in: one-time links, and sessions. Pure but for the source of tokens; no I/O.

Only digests of tokens are kept, so a copy of the file lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define, field

from hive.clock import MINUTE
from hive.errors import NotAllowedError, NotFoundError
from hive.web.connection_owner import UNKNOWN_USER
from hive.web.wrong_attempts import WrongAttempts

LINK_SECONDS = 10 * MINUTE
"""Seconds for which a link may be used."""

LINKS_MAX = 10
"""Links that may be unused at once; a further one replaces the oldest."""

SESSIONS_MAX = 100
"""Sessions at once; a further one ends the one that was not used for longest."""

SEEN_SECONDS = MINUTE
"""Seconds by which the last use of a session may be older than it says, to spare the disk."""

AGENT_MAX = 200
"""Characters of a browser's name that are kept."""

TOKEN_BYTES = 32
"""Random bytes of a token."""


class LoginSession(msgspec.Struct, frozen=True):
    """A browser that is logged in. Times are wall seconds.

    Attributes:
        id: Its number, by which it is listed and revoked.
        digest: The digest of its cookie.
        secret: Key of the tokens that its forms carry.
        began: When it logged in.
        seen: When it was used last, to the minute.
        ends: When it has to log in again.
        browser: What the browser calls itself; not verified.
        address: IP address from which it logged in; empty if that is not known.
        user: The user of this machine whose browser it is; None if it is not of this machine.
    """

    id: int
    digest: str
    secret: str
    began: float
    seen: float
    ends: float
    browser: str
    address: str = ""
    user: int | None = None


class SavedSessions(msgspec.Struct, frozen=True):
    """What is kept on disk.

    Attributes:
        last_id: The number of the newest session there ever was.
        sessions: The sessions.
    """

    last_id: int = 0
    sessions: tuple[LoginSession, ...] = ()


@define
class SessionBook:
    """All links and sessions.

    Attributes:
        lifetime: Seconds until a session has to log in again.
        is_changed: Whether there is something to save.
    """

    lifetime: float
    new_token: Callable[[], str] = lambda: secrets.token_urlsafe(TOKEN_BYTES)
    is_changed: bool = field(default=False, init=False)
    _last_id: int = field(default=0, init=False)
    _sessions: dict[str, LoginSession] = field(factory=dict, init=False)
    _links: dict[str, float] = field(factory=dict, init=False)
    _wrong: WrongAttempts = field(factory=lambda: WrongAttempts("links"), init=False)

    # On disk

    def restore(self, saved: SavedSessions, now: float) -> None:
        """Take over the sessions of an earlier process that have not ended."""
        self._last_id = saved.last_id
        self._sessions = {each.digest: each for each in saved.sessions if each.ends > now}

    def saved(self) -> SavedSessions:
        """Return what is to be kept on disk; then nothing is left to save."""
        self.is_changed = False
        return SavedSessions(self._last_id, tuple(self._sessions.values()))

    # Logging in

    def new_link(self, now: float) -> str:
        """Return the token of a new link, which logs in once."""
        self._links = {each: ends for each, ends in self._links.items() if ends > now}
        while len(self._links) >= LINKS_MAX:
            del self._links[next(iter(self._links))]
        token = self.new_token()
        self._links[digest(token)] = now + LINK_SECONDS
        return token

    def log_in(self, token: str, browser: str, now: float, address: str = "") -> str:
        """Use up a link, and return the cookie of a new session.

        Raises:
            NotAllowedError: It is unknown, used or too old.
            RateLimitedError: So it is, and there were too many such lately.
        """
        if self._links.pop(digest(token), 0.0) <= now:
            self._wrong.count(now)
            raise NotAllowedError(
                "this link was used already, or is older than 10 minutes; "
                "'hive-c0re web-login' prints a new one"
            )
        return self.begin(browser, address, now)

    def begin(self, browser: str, address: str, now: float) -> str:
        """Return the cookie of a new session, for a browser that has shown that it may have one."""
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions.values(), key=lambda each: each.seen).digest]
        cookie = self.new_token()
        self._last_id += 1
        found = LoginSession(
            id=self._last_id,
            digest=digest(cookie),
            secret=self.new_token(),
            began=now,
            seen=now,
            ends=now + self.lifetime,
            browser=browser[:AGENT_MAX],
            address=address,
        )
        self._sessions[found.digest] = found
        self.is_changed = True
        return cookie

    # Sessions

    def find(self, cookie: str, now: float) -> LoginSession | None:
        """Return the session of a cookie, and take note that it was used; None if it has ended."""
        found = self._sessions.get(digest(cookie))
        if found is None:
            return None
        if found.ends <= now:
            self._remove(found)
            return None
        if now - found.seen >= SEEN_SECONDS:
            found = self._replace(found, seen=now)
        return found

    def bind(self, session: LoginSession, user: int | None) -> LoginSession:
        """Return a session that belongs to a user of this machine from now on.

        Args:
            session: The session.
            user: The user at the other end of its connection, as `user_of_connection` returns it.

        Raises:
            NotAllowedError: It belongs to another one: its cookie was taken from its browser.
        """
        if session.user is None:
            is_known = user is not None and user != UNKNOWN_USER
            return self._replace(session, user=user) if is_known else session
        if session.user != user:
            sender = "another machine" if user is None else f"the user {user}"
            raise NotAllowedError(
                f"the cookie of session {session.id}, which is of a browser of the user "
                f"{session.user}, was sent by {sender}; if that is an agent, end the session"
            )
        return session

    def _replace(self, session: LoginSession, **fields: Any) -> LoginSession:
        found = msgspec.structs.replace(session, **fields)
        self._sessions[found.digest] = found
        self.is_changed = True
        return found

    def is_open(self, session: LoginSession, now: float) -> bool:
        """Return whether a session has neither ended nor been revoked."""
        found = self._sessions.get(session.digest)
        return found is not None and found.ends > now

    def all(self, now: float) -> list[LoginSession]:
        """Return the sessions that have not ended, oldest first."""
        return sorted(
            (each for each in self._sessions.values() if each.ends > now), key=lambda each: each.id
        )

    def revoke(self, number: int) -> None:
        """End a session.

        Raises:
            NotFoundError: There is none of that number.
        """
        for each in self._sessions.values():
            if each.id == number:
                self._remove(each)
                return
        raise NotFoundError(
            f"there is no session {number}; 'hive-c0re web-sessions' lists those that are open"
        )

    def revoke_all(self) -> int:
        """End all sessions and links; return how many sessions there were."""
        count = len(self._sessions)
        self._sessions.clear()
        self._links.clear()
        self.is_changed = True
        return count

    def _remove(self, session: LoginSession) -> None:
        del self._sessions[session.digest]
        self.is_changed = True


def digest(token: str) -> str:
    """Return what is kept of a token. It is random, so it needs no slow hash."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
