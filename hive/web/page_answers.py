"""How a page is answered: with the token of its session, and kept up to date as it stays open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import frozen
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from hive.web.guard import form_token, is_sealed, seal
from hive.web.hive_client import HiveClient
from hive.web.latest import Latest
from hive.web.live_lists import Lists, differences
from hive.web.login_sessions import LoginSession, SessionBook
from hive.web.rendering import Templates

T = TypeVar("T")

CHECK = 1.0
"""Seconds after which an open page without news looks whether its session is still open."""

BEATS = 20
"""Such looks between two comments, by which proxies keep the page open."""

SAID_MAX = 300
"""Characters of what a page says about the last action."""

SAID = frozenset({"done", "error"})
"""What it says that it is."""

Row = Mapping[str, Any]


@frozen
class PageAnswers:
    """Answers with pages.

    Attributes:
        client: Asks the daemon.
        book: The sessions; an open page ends with its own.
        templates: Makes HTML.
        now: Returns wall seconds.
        ending: Set when the process is about to end; open pages end without a last word then, and
            connect to the next process.
    """

    client: HiveClient
    book: SessionBook
    templates: Templates
    now: Callable[[], float]
    ending: asyncio.Event

    def page(self, request: Request, template: str, /, **values: Any) -> Response:
        """Return a page of the session."""
        said = {key: said_in(request, key) for key in SAID}
        token = form_token(session_of(request).secret)
        known = {"path": request.url.path, "here": here(request), "hide": hidden(request), **said}
        return HTMLResponse(self.templates.page(template, token=token, **{**known, **values}))

    def live(self, request: Request, latest: Latest[T], lists_of: Callable[[T], Lists]) -> Response:
        """Return server-sent events: what differs, as long as the page and its session are open."""
        session = session_of(request)
        return StreamingResponse(
            self._changes(session, latest, lists_of), media_type="text/event-stream"
        )

    async def _changes(
        self, session: LoginSession, latest: Latest[T], lists_of: Callable[[T], Lists]
    ) -> AsyncIterator[str]:
        shown: Lists = {}
        token, quiet = form_token(session.secret), 0
        with latest.watching() as watch:
            while self.book.is_open(session, self.now()):
                value = await watch.next(CHECK)
                if self.ending.is_set():
                    return
                quiet += 1
                if value is not None:
                    lists = lists_of(value)
                    changes, shown = differences(shown, lists), lists
                    if changes:
                        quiet = 0
                        text = self.templates.for_session(json.dumps(changes), token)
                        yield f"event: changes\ndata: {text}\n\n"
                if quiet >= BEATS:
                    quiet = 0
                    yield ": still here\n\n"
        yield "event: ended\ndata: null\n\n"


def session_of(request: Request) -> LoginSession:
    """Return the session of a request; pages are behind the entrance, so there is one."""
    found = request.state.session
    assert isinstance(found, LoginSession)
    return found


def here(request: Request, **changed: object) -> str:
    """Return the address of a page, without what it says about the last action."""
    known = {k: v for k, v in request.query_params.items() if k not in SAID | {"seal"}}
    query = {key: value for key, value in {**known, **changed}.items() if value is not None}
    return request.url.path + (f"?{urlencode(query)}" if query else "")


def saying(request: Request, path: str, key: str, words: str) -> str:
    """Return the address of a page that says what became of an action.

    It has a seal of the session: otherwise a link could make a page say anything.
    """
    shown = words[:SAID_MAX]
    sealed = seal(session_of(request).secret, f"{key} {shown}")
    return _with_query(_still_hiding(request, path), {key: shown, "seal": sealed})


def said_in(request: Request, key: str) -> str:
    """Return what the address of a page says about the last action, if this server has said it."""
    words, found = (request.query_params.get(each, "") for each in (key, "seal"))
    is_ours = words and is_sealed(session_of(request).secret, f"{key} {words}", found)
    return words if is_ours else ""


HIDEABLE = frozenset({"header", "input"})
"""The parts of a page that `?hide=` may name; other words are ignored."""


def hidden(request: Request) -> frozenset[str]:
    """Return the parts of a page that are not to be shown."""
    return HIDEABLE & set(request.query_params.get("hide", "").split(","))


def _still_hiding(request: Request, path: str) -> str:
    """Return the address of a page that hides what the page hides that a form was sent from.

    A part of a page is the same for all who see it, so its forms do not know what is hidden.
    """
    try:
        before = parse_qs(urlsplit(request.headers.get("referer", "")).query)
    except ValueError:  # no address
        return path
    words = sorted(HIDEABLE & set(before.get("hide", [""])[0].split(",")))
    if not words or "hide" in parse_qs(urlsplit(path).query):
        return path
    return _with_query(path, {"hide": ",".join(words)})


def _with_query(path: str, more: Mapping[str, str]) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode(more)}"
