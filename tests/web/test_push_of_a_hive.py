"""From an agent's question to a phone and back: a real hive, a push service that decrypts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import define, evolve

from hive.clock import SystemClock
from hive.web.app import WebSite, make_app
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SessionBook
from hive.web.operator_account import open_account
from hive.web.push_watch import PushWatch
from tests.support.hives import Site, connected, site, swarm
from tests.support.push_services import (
    NAME,
    PushBrowser,
    PushService,
    certificate_in,
    push_service,
    trusting,
)
from tests.support.runtimes import ScriptedRuntime
from tests.web.browsing import HOST, Browser
from tests.web.test_needs_you_page import Forms

__all__ = ["site"]

pytestmark = pytest.mark.loops("asyncio")


@define(eq=False)
class Phone:
    """A phone that is notified by a dashboard.

    Attributes:
        browser: Its browser, which is logged in.
        keys: The private half of its subscription.
        service: Its push service.
        watch: What notifies it.
    """

    browser: Browser
    keys: PushBrowser
    service: PushService
    watch: PushWatch


@pytest.fixture(name="phone")
async def _phone(tmp_path: Path, site: Site) -> AsyncIterator[Phone]:
    clock, sessions = SystemClock(), SessionBook(3600.0)
    client = HiveClient(str(site.run_dir / "host.sock"))
    cookie = sessions.log_in(sessions.new_link(clock.now()), "a phone", clock.now())
    account = await asyncio.to_thread(
        open_account, tmp_path / "web", f"http://{HOST}", client, sessions, clock
    )
    async with push_service(certificate_in(tmp_path)) as service:
        account.watch.sender = evolve(
            account.sender,
            tls=trusting(tmp_path / f"{NAME}.pem"),
            resolve=service.resolve,
            is_allowed=lambda _: True,
        )
        web = WebSite({"127.0.0.1"}, secure=False, save=lambda: asyncio.sleep(0))
        app = await asyncio.to_thread(make_app, client, sessions, web, clock, account)
        try:
            async with site.real(ScriptedRuntime(), swarm("alice", "bob")):
                yield Phone(Browser(app, cookie), PushBrowser(), service, account.watch)
        finally:
            client.close()


async def test_a_question_reaches_the_phone_and_is_answered_in_two_taps(
    phone: Phone, site: Site
) -> None:
    page = await phone.browser.page("/account")
    key, secret = phone.keys.keys
    fields = {
        "token": page.token,
        "endpoint": phone.service.endpoint(),
        "key": key,
        "secret": secret,
    }
    added = await phone.browser.post("/account/device/add", fields, accept="application/json")
    assert '{"done":"this device is notified",' in added.text
    assert phone.keys.read(phone.service.got[0])["title"] == "This device is notified"

    async with connected(site.run_dir / "agents" / "alice" / "mcp.sock") as alice:
        asked = await alice.ok("ask", question="Which colour is secret?", options=["red", "blue"])
        await phone.watch.look()
        later = phone.watch.now() + 60
        phone.watch.now = lambda: later
        await phone.watch.look()
        [_, got] = phone.service.got
        notification = phone.keys.read(got)
        assert notification == {
            "title": "1 thing needs you",
            "body": "question: alice",
            "path": f"/needs-you/question-{asked['id']}",
        }
        await phone.watch.look()
        assert len(phone.service.got) == 2, "once for each item"

        opened = await phone.browser.page(notification["path"])  # the first tap
        path, form = Forms(opened.text).found["blue"]
        await phone.browser.post(path, form)  # the second
        [answer] = (await alice.ok("recv", wait_seconds=5))["messages"]
        assert "blue" in answer["body"]
        settled = await phone.browser.page(notification["path"])
        assert "That is settled already" in settled.shown
