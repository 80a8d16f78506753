"""What every request passes before a page sees it: its host, its origin, its session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import quote

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hive.errors import NotAllowedError
from hive.web.connection_owner import UNKNOWN_USER, user_of_connection
from hive.web.guard import CACHE, HEADERS, check_host, check_origin, cookie_of
from hive.web.login_sessions import LoginSession, SessionBook

LOG = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/login", "/login/passkey", "/login/passkey/options", "/worker.js"})
"""Paths that need no session."""

OPEN_PREFIX = "/static/"
"""Files without content of a hive."""


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_ALWAYS, _UNKEPT = _raw(HEADERS), _raw(CACHE)


@frozen
class PageEntrance:
    """Lets in what may come in, and adds the headers of every response.

    Attributes:
        app: The pages.
        book: The sessions.
        hosts: Names of this server, without ports.
        secure: Whether browsers use TLS.
        now: Returns wall seconds.
        user_of: Returns the user at the other end of a connection; None of another machine.
    """

    app: ASGIApp
    book: SessionBook
    hosts: Collection[str]
    secure: bool
    now: Callable[[], float]
    user_of: Callable[[Scope], int | None] = user_of_connection
    _warned: set[tuple[int, int | None]] = field(factory=set, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with its session."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise NotAllowedError(f"a connection of type {scope['type']} is not served")
        request = Request(scope)
        refused = self._refusal(request)
        scope.setdefault("state", {})
        if refused is None:
            scope["state"]["session"] = await self._session(request)
            refused = self._without_session(request, scope["state"]["session"])
        answer: ASGIApp = self.app if refused is None else refused
        await answer(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        try:
            check_host(host, self.hosts)
            check_origin(request.method, request.headers, host, secure=self.secure)
        except NotAllowedError as error:
            return PlainTextResponse(f"{error}\n", 403)
        return None

    async def _session(self, request: Request) -> LoginSession | None:
        cookie = cookie_of(request.cookies, secure=self.secure)
        found = None if cookie is None else self.book.find(cookie, self.now())
        if found is None:
            return None
        user = await asyncio.to_thread(self.user_of, request.scope)
        if not self.book.is_open(found, self.now()):  # revoked meanwhile
            return None
        try:
            return self.book.bind(found, user)
        except NotAllowedError as error:
            self._warn(found.id, user, error)
            return None

    def _warn(self, session: int, user: int | None, error: NotAllowedError) -> None:
        """Log once that another user has the cookie of a session.

        A browser that leaves a page before it is loaded closes its end, which is nobody's then.
        """
        if user != UNKNOWN_USER and (session, user) not in self._warned:
            self._warned.add((session, user))
            LOG.warning("%s", error)

    def _without_session(self, request: Request, session: LoginSession | None) -> Response | None:
        """Return the answer to a request that needs a session and has none."""
        path = request.scope["path"]
        if session is not None or path in OPEN_PATHS or path.startswith(OPEN_PREFIX):
            return None
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            target = path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(target)}", 303)
        return PlainTextResponse("log in first\n", 401)


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    """Add the headers of every response, and that no cache keeps it unless it says otherwise."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [*message.get("headers", ())]
            is_kept = any(name == b"cache-control" for name, _ in own)
            message = {**message, "headers": own + (_ALWAYS if is_kept else _ALWAYS + _UNKEPT)}
        await send(message)

    return send_with_headers
