"""The application: routes, login, actions, and what a failure looks like."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from attrs import field, frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hive.clock import Clock
from hive.errors import HiveError, NotAllowedError
from hive.web.account_pages import AccountPages
from hive.web.agent_page import AgentPage
from hive.web.approval_pages import ApprovalPages
from hive.web.book_saver import save_or_warn
from hive.web.browser_exchange import read_form, status_of
from hive.web.form_actions import request_of, words_of
from hive.web.guard import SAFE_METHODS, check_form, cookie_header, form_token, local_path
from hive.web.hive_client import HiveClient
from hive.web.hive_picture import PictureSource
from hive.web.list_pages import ListPages
from hive.web.login_sessions import LoginSession, SessionBook
from hive.web.mail_pages import MailPages
from hive.web.middleware import PageEntrance
from hive.web.needs_you_page import NeedsYouPage
from hive.web.operator_account import OperatorAccount
from hive.web.overview_page import OverviewPage
from hive.web.page_answers import PageAnswers, saying, session_of
from hive.web.rendering import Templates
from hive.web.static_files import StaticFiles, read_static_files

LOG = logging.getLogger(__name__)

LOGIN_MAX = 4096
"""Bytes of the form of a login, which anybody may send."""


@frozen
class WebSite:
    """Where and for whom the dashboard is served.

    Attributes:
        hosts: Names by which browsers reach it, without ports.
        secure: Whether they use TLS.
        save: Saves the sessions if they have changed.
        ending: Set when the process is about to end, so that open pages end.
    """

    hosts: Collection[str]
    secure: bool
    save: Callable[[], Awaitable[None]]
    ending: asyncio.Event = field(factory=asyncio.Event)


def make_app(
    client: HiveClient,
    book: SessionBook,
    site: WebSite,
    clock: Clock,
    account: OperatorAccount,
) -> ASGIApp:
    """Return the application, behind its entrance; blocks, since it reads the templates."""
    answers = PageAnswers(client, book, Templates(clock.now), clock.now, site.ending)
    source = PictureSource(client, clock)
    doors = Doors(client, book, site, answers.templates, clock, account, source)
    files = StaticFiles(read_static_files())
    routes = [
        *page_routes(answers, source),
        Route("/login", doors.login, methods=["GET", "POST"]),
        Route("/logout", doors.logout, methods=["POST"]),
        Route("/do/{action}", doors.act, methods=["POST"]),
        *AccountPages(answers, account, site.save, secure=site.secure).routes,
        Route("/static/{name}", files.show),
        Route("/worker.js", files.worker),
    ]
    handlers = {HiveError: doors.failed, HTTPException: doors.missing}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return PageEntrance(app, book, site.hosts, site.secure, clock.now)


def page_routes(answers: PageAnswers, source: PictureSource) -> list[Route]:
    """Return where the pages are."""
    return [
        *OverviewPage(answers, source).routes,
        *AgentPage(answers, source).routes,
        *ApprovalPages(answers).routes,
        *MailPages(answers).routes,
        *ListPages(answers).routes,
        *NeedsYouPage(answers).routes,
    ]


@frozen
class Doors:
    """Login, logout and actions.

    Attributes:
        client: Makes requests for a session.
        book: The sessions.
        site: Where this is served.
        templates: Makes HTML.
        clock: Wall time.
        account: Has the passkeys, by which one may log in, too.
        source: The pictures of the hive, which an act outdates.
    """

    client: HiveClient
    book: SessionBook
    site: WebSite
    templates: Templates
    clock: Clock
    account: OperatorAccount
    source: PictureSource

    async def login(self, request: Request) -> Response:
        """Show the button of a link, or use the link up.

        A program that looks at links (a mail scanner, a chat's preview) only sees the button.
        """
        if request.method in SAFE_METHODS:
            query = request.query_params
            return self._login_page(request, query.get("token", ""), query.get("next", "/"))
        form = await read_form(request, LOGIN_MAX)
        browser = request.headers.get("user-agent", "")
        address = request.client.host if request.client else ""
        try:
            cookie = self.book.log_in(form.get("link", ""), browser, self.clock.now(), address)
        except NotAllowedError:
            LOG.warning("a wrong link was tried from %s", address or "a unix socket")
            raise
        await save_or_warn(self.site.save)
        answer = RedirectResponse(local_path(form.get("next", "/")), 303)
        seconds = self.book.lifetime
        answer.headers["set-cookie"] = cookie_header(
            cookie, secure=self.site.secure, seconds=seconds
        )
        return answer

    def _login_page(
        self, request: Request, link: str, following: str, status: int = 200, error: str = ""
    ) -> Response:
        text = self.templates.page(
            "login.html",
            link=link,
            next=local_path(following),
            passkeys=self._takes_passkeys(request),
            # A browser sends no cookie of SameSite=Strict along a link of another site.
            is_led_here=request.headers.get("sec-fetch-site") == "cross-site",
            done="",
            error=error,
            token="",
        )
        return HTMLResponse(text, status)

    def _takes_passkeys(self, request: Request) -> bool:
        if not self.account.passkeys.all():
            return False
        return self.account.passkeys.site.trouble(request.headers.get("host", "")) is None

    async def logout(self, request: Request) -> Response:
        """End the session."""
        session = session_of(request)
        check_form(session.secret, (await read_form(request)).get("token", ""))
        self.book.revoke(session.id)
        await save_or_warn(self.site.save)
        answer = RedirectResponse("/login", 303)
        answer.headers["set-cookie"] = cookie_header("", secure=self.site.secure, seconds=0)
        return answer

    async def act(self, request: Request) -> Response:
        """Do what a form asks for, and go back to its page; a page with a script stays open."""
        session = session_of(request)
        form = await read_form(request)
        check_form(session.secret, form.get("token", ""))
        verb, fields = request_of(request.path_params["action"], form)
        back = local_path(form.get("back", "/"))
        stays = "application/json" in request.headers.get("accept", "")
        try:
            await self.client.act(f"web session {session.id}", verb, **fields)
            key, words = "done", words_of(request.path_params["action"], form)
        except HiveError as error:
            key, words = "error", str(error)
        self.source.outdate()
        page = saying(request, back, key, words)
        return JSONResponse({key: words, "page": page}) if stays else RedirectResponse(page, 303)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Show an error of the daemon or of a request."""
        assert isinstance(error, HiveError)
        status = status_of(error)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"error": str(error)}, status)
        if request.url.path == "/login":
            return self._login_page(request, "", "/", status, str(error))
        return HTMLResponse(self._error_page(request, str(error)), status)

    async def missing(self, request: Request, error: Exception) -> Response:
        """Show that there is no such page."""
        assert isinstance(error, HTTPException)
        return HTMLResponse(self._error_page(request, error.detail), error.status_code)

    def _error_page(self, request: Request, sentence: str) -> str:
        session: LoginSession | None = request.state.session
        token = "" if session is None else form_token(session.secret)  # of the way to log out
        return self.templates.page("base.html", done="", error=sentence, token=token)
