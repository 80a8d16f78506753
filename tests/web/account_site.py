"""A dashboard with an account, whose daemon and push services answer what a test says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from hive.clock import SystemClock
from hive.web.app import WebSite, make_app
from hive.web.login_sessions import SessionBook
from hive.web.operator_account import OperatorAccount, open_account
from hive.web.push_subscriptions import PushSubscription
from tests.support.authenticators import SoftwareAuthenticator
from tests.support.push_services import PushBrowser
from tests.web.browsing import Answer, Browser
from tests.web.scripted_hive import ScriptedHive

URL, HOST = "http://localhost:7000", "localhost:7000"
ENDPOINT = "https://push.example.org/send/1"


@define
class ScriptedSender:
    """Sends nothing, and fails as a test says."""

    public_key: str = "BKey"
    error: Exception | None = None
    sent: list[tuple[int, dict[str, Any]]] = field(factory=list)

    async def send(self, to: PushSubscription, payload: str) -> None:
        self.sent.append((to.id, json.loads(payload)))
        if self.error is not None:
            raise self.error


@define(eq=False)
class Served:
    """A dashboard with one session.

    Attributes:
        state_dir: Where it keeps what it knows.
        hive: Answers its requests.
        account: Its account.
        sessions: Its sessions.
        browser: The browser of the session.
        sender: Sends its notifications.
    """

    state_dir: Path
    hive: ScriptedHive
    account: OperatorAccount
    sessions: SessionBook
    browser: Browser
    sender: ScriptedSender

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.browser.get(path, **{"host": HOST, **headers})

    async def post(self, path: str, **fields: object) -> Answer:
        """Send a form of the page."""
        token = (await self.get("/account")).token
        form = {"token": token, **fields}
        return await self.browser.post(path, form, host=HOST, origin=URL)

    async def script(self, path: str, **fields: object) -> tuple[int, dict[str, Any]]:
        """Ask as the script of the page does."""
        token = (await self.get("/account")).token
        form = {"token": token, **fields}
        answer = await self.browser.post(
            path, form, host=HOST, origin=URL, accept="application/json"
        )
        found = json.loads(answer.text)
        if "next" in found:  # where the script goes on to
            shown = (await self.get(found.pop("next"))).shown
            assert found["done"][:80] in shown
        return answer.status, found

    async def add_device(self) -> tuple[int, dict[str, Any]]:
        key, secret = PushBrowser().keys
        return await self.script("/account/device/add", endpoint=ENDPOINT, key=key, secret=secret)

    async def register(self, phone: SoftwareAuthenticator) -> tuple[int, dict[str, Any]]:
        _, options = await self.script("/account/passkey/options")
        return await self.script("/account/passkey/add", name="phone", answer=phone.make(options))

    def stranger(self) -> Served:
        """A browser without a session."""
        return evolve(self, browser=Browser(self.browser.app))

    async def log_in(self, phone: SoftwareAuthenticator) -> Answer:
        """Log in by a passkey, as the script of the login page does."""
        headers = {"host": HOST, "origin": URL, "accept": "application/json"}
        options = await self.browser.post("/login/passkey/options", {}, **headers)
        assert options.status == 200, options.text
        form = {"answer": phone.sign(json.loads(options.text)), "next": "/needs-you/question-12"}
        return await self.browser.post("/login/passkey", form, **headers)


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """A dashboard of a hive that wants nothing."""
    hive, clock, sessions = ScriptedHive(), SystemClock(), SessionBook(3600.0)
    hive.answers["attention"] = {"items": []}
    hive.answers["web_settings"] = {"web": {"quiet_hours": None}}
    account = open_account(tmp_path, URL, hive, sessions, clock)  # type: ignore[arg-type]
    sender = ScriptedSender()
    account.watch.sender = sender
    site = WebSite({"localhost", "127.0.0.1"}, False, lambda: asyncio.sleep(0))
    app = make_app(hive, sessions, site, clock, account)  # type: ignore[arg-type]
    cookie = sessions.log_in(sessions.new_link(clock.now()), "Firefox", clock.now())
    return Served(tmp_path, hive, account, sessions, Browser(app, cookie), sender)
