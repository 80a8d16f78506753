"""The page of the account: sessions, passkeys and devices to notify, as a browser uses them."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from hive.clock import SystemClock
from hive.web.operator_account import open_account
from hive.web.push_sending import PushFailedError, SubscriptionGoneError
from tests.support.authenticators import SoftwareAuthenticator
from tests.support.push_services import PushBrowser
from tests.web.account_site import ENDPOINT, HOST, URL, Served, served
from tests.web.browsing import Browser

__all__ = ["served"]

pytestmark = pytest.mark.loops("asyncio")


def phone() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(URL, "localhost")


async def test_the_page_shows_sessions_passkeys_and_devices(served: Served) -> None:
    page = await served.get("/account")
    for words in ("Firefox (this one)", "There is no passkey", "No device is notified"):
        assert words in " ".join(page.shown.split())
    await served.register(phone())
    await served.add_device()
    page = await served.get("/account")
    assert re.search(r"phone, added \d+s ago, never used", " ".join(page.shown.split()))
    assert "This browser is notified." in page.shown
    key = served.account.pushes.all()[0]
    for secret in (key.secret, key.key, ENDPOINT, served.account.pushes.key):
        assert secret not in page.text


async def test_a_passkey_logs_a_new_browser_in(served: Served) -> None:
    device = phone()
    assert await served.register(device) == (200, {"done": "phone can log in now"})
    stranger = served.stranger()
    login = await stranger.get("/login?next=/needs-you/question-12")
    assert 'id="passkey-login" data-next="/needs-you/question-12"' in login.text
    answer = await stranger.log_in(device)
    assert (answer.status, json.loads(answer.text)) == (200, {"next": "/needs-you/question-12"})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    stranger.browser.cookie = cookie.partition(";")[0].partition("=")[2]
    assert (await stranger.get("/account")).status == 200
    assert len(served.sessions.all(SystemClock.now())) == 2


async def test_the_login_page_offers_passkeys_only_where_they_work(served: Served) -> None:
    assert "passkey-login" not in (await served.stranger().get("/login")).text
    await served.register(phone())
    assert "passkey-login" in (await served.stranger().get("/login")).text
    elsewhere = await served.stranger().get("/login", host="127.0.0.1:7000")
    assert "passkey-login" not in elsewhere.text


async def test_a_stranger_registers_nothing_and_learns_nothing(served: Served) -> None:
    await served.register(phone())
    browser = Browser(served.browser.app)
    headers = {"host": HOST, "origin": URL, "accept": "application/json"}
    for path in ("options", "add", "remove"):
        answer = await browser.post(f"/account/passkey/{path}", {}, **headers)
        assert answer.status == 401
    for path in ("/account", "/account/device/add", "/needs-you", "/needs-you/question-1"):
        assert (await browser.get(path, **headers)).status == 401
    options = await browser.post("/login/passkey/options", {}, **headers)
    assert served.account.passkeys.all()[0].credential not in options.text
    wrong = await browser.post(
        "/login/passkey", {"answer": phone().sign({"challenge": "eHg"})}, **headers
    )
    assert wrong.status == 403
    assert "set-cookie" not in wrong.headers
    foreign = await browser.post(
        "/login/passkey/options", {}, **{**headers, "origin": "https://evil.example"}
    )
    assert foreign.status == 403


@pytest.mark.parametrize(
    "path",
    [
        *("session/end", "passkey/options", "passkey/add", "passkey/remove"),
        *("device/add", "device/remove"),
    ],
)
async def test_a_form_of_another_session_does_nothing(served: Served, path: str) -> None:
    assert (await served.post(f"/account/{path}", token="x", number=1)).status == 403


async def test_a_removed_passkey_logs_nobody_in(served: Served) -> None:
    device = phone()
    await served.register(device)
    answer = await served.post("/account/passkey/remove", number=1)
    assert answer.headers["location"].startswith("/account?done=")
    assert (await served.stranger().log_in(device)).status == 403


async def test_passkeys_say_why_they_cannot_be_used(served: Served) -> None:
    page = await served.get("/account", host="127.0.0.1:7000")
    assert "passkeys work at http://localhost:7000" in page.shown
    assert 'id="new-passkey"' not in page.text
    answer = await served.browser.post("/login/passkey/options", {}, accept="application/json")
    assert (answer.status, "passkeys work at" in answer.text) == (403, True)


async def test_a_session_is_ended_from_the_page(served: Served) -> None:
    now = SystemClock.now()
    other = served.sessions.log_in(served.sessions.new_link(now), "Safari", now)
    number = served.sessions.find(other, now).id  # type: ignore[union-attr]
    assert (await served.post("/account/session/end", number=number)).status == 303
    assert served.sessions.find(other, now) is None
    assert (await served.post("/account/session/end", number="x")).status == 400
    assert (await served.post("/account/session/end", number=99)).status == 404


async def test_a_device_is_notified_at_once_so_that_one_sees_that_it_works(served: Served) -> None:
    assert await served.add_device() == (200, {"done": "this device is notified"})
    [(number, sent)] = served.sender.sent
    assert (number, sent["path"]) == (1, "/needs-you")
    assert await served.add_device() == (200, {"done": "this device is notified"})
    assert [each.id for each in served.account.pushes.all()] == [2], "one for each session"


@pytest.mark.parametrize(
    ("error", "said", "left"),
    [
        (PushFailedError("no answer within 10 s"), "did not arrive: no answer within 10 s", 1),
        (SubscriptionGoneError(), "its push service does not know it", 0),
    ],
)
async def test_a_device_that_cannot_be_notified_is_said_to_be_so(
    served: Served, error: Exception, said: str, left: int
) -> None:
    served.sender.error = error
    _, answer = await served.add_device()
    assert said in answer["done"]
    assert len(served.account.pushes.all()) == left
    if left:
        assert said in (await served.get("/account")).shown


async def test_a_device_is_removed_from_the_page(served: Served) -> None:
    await served.add_device()
    assert (await served.post("/account/device/remove", number=1)).status == 303
    assert served.account.pushes.all() == ()
    assert (await served.post("/account/device/remove", number=1)).status == 404


async def test_a_wrong_endpoint_is_refused(served: Served) -> None:
    key, secret = PushBrowser().keys
    status, answer = await served.script(
        "/account/device/add", endpoint="http://127.0.0.1/", key=key, secret=secret
    )
    assert (status, "https://HOST/PATH" in answer["error"]) == (400, True)


async def test_the_account_survives_the_process(served: Served) -> None:
    device = phone()
    await served.register(device)
    await served.add_device()
    for name in ("passkeys.json", "push.json"):
        assert (served.state_dir / name).stat().st_mode & 0o777 == 0o600
    later = await asyncio.to_thread(
        open_account, served.state_dir, URL, served.hive, served.sessions, SystemClock()
    )
    assert later.passkeys.all() == served.account.passkeys.all()
    assert later.pushes.all() == served.account.pushes.all()
    assert later.sender.public_key == served.account.sender.public_key


async def test_the_worker_is_at_the_top_and_the_manifest_is_open(served: Served) -> None:
    stranger = served.stranger()
    worker = await stranger.get("/worker.js")
    assert (worker.status, worker.headers["content-type"]) == (
        200,
        "text/javascript; charset=utf-8",
    )
    assert "fetch" not in worker.text, "it keeps nothing of a page"
    manifest = await stranger.get("/static/hive.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
