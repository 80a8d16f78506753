"""Passkeys and notifications in a real browser, at a dashboard that is called localhost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from tests.browser.chromium import PHONE, Chromium, needs_chromium
from tests.support.daemons import HiveOnDisk, eventually
from tests.support.push_services import PushBrowser
from tests.web.dashboard_process import DashboardProcess, free_port

pytestmark = needs_chromium

SWARM = """
[agents.alice]
exec = ["sleep", "100000"]
"""


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    """A hive that runs."""
    made = HiveOnDisk(tmp_path_factory.mktemp("account"))
    made.configure(SWARM)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def url(hive: HiveOnDisk) -> Iterator[str]:
    """The address of its dashboard, which is a name: passkeys need one."""
    port = free_port()
    url = f"http://localhost:{port}"
    made = DashboardProcess(hive, "--url", url, listen=f"127.0.0.1:{port}")
    made.start()
    yield url
    made.close()


@pytest.fixture
def browser(_chromium: Chromium, hive: HiveOnDisk, url: str) -> Iterator[Chromium]:
    """A phone that is logged in, and has an authenticator."""
    _chromium.reset()
    _chromium.base = url
    _chromium.resize(PHONE)
    options = VirtualAuthenticatorOptions(
        has_resident_key=True, has_user_verification=True, is_user_verified=True
    )
    _chromium.driver.add_virtual_authenticator(options)
    _chromium.driver.get(hive.ok("web-login").split()[0])
    _chromium.click("Log in on this browser")
    _chromium.shows("alice")
    yield _chromium
    _chromium.driver.remove_virtual_authenticator()
    assert _chromium.complaints() == []


def test_a_passkey_is_added_logs_in_and_is_removed(browser: Chromium) -> None:
    browser.open("/account")
    browser.shows("There is no passkey.")
    browser.type("name", "my phone")
    browser.click("Add a passkey")
    browser.shows("my phone can log in now", "my phone, added", "never used")
    browser.click("log out")
    browser.shows("web-login")
    browser.open("/account")
    assert browser.path.startswith("/login")
    browser.click("Log in with a passkey")
    browser.shows("my phone, added")
    assert browser.path == "/account", "where one wanted to go"
    browser.hides("never used")
    browser.click("remove the passkey my phone")
    browser.shows("There is no passkey.")
    browser.click("log out")
    browser.shows("web-login")
    assert browser.named("button", "Log in with a passkey") is None


def test_a_user_who_is_not_verified_is_refused(browser: Chromium) -> None:
    browser.driver.set_user_verified(False)
    browser.open("/account")
    browser.click("Add a passkey")
    browser.shows("was not confirmed in time, or was refused")
    browser.shows("There is no passkey.")


SUBSCRIBES = """
const [endpoint, key, secret] = arguments;
const bytes = (text) => Uint8Array.from(
  atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0)).buffer;
PushManager.prototype.subscribe = async (options) => {
  window.asked = options;
  return {endpoint, getKey: (name) => bytes(name === "auth" ? secret : key)};
};
"""
"""Stands for a push service of a browser, which there is none of without the internet."""


def notify(browser: Chromium) -> None:
    """Turn notifications on."""
    browser.command("Browser.grantPermissions", origin=browser.base, permissions=["notifications"])
    browser.open("/account")
    key, secret = PushBrowser().keys
    browser.run(SUBSCRIBES, "https://push.example.invalid/1", key, secret)
    browser.click("Notify this device")
    browser.shows("This browser is notified.")


def test_a_device_is_notified_until_it_is_removed(browser: Chromium) -> None:
    notify(browser)
    browser.shows("the first notification did not arrive")
    [device] = browser.driver.find_elements("css selector", "[aria-label^='remove device']")
    browser.click(device.accessible_name)
    browser.shows("the device is notified no more", "No device is notified.")
    assert browser.named("button", "Notify this device") is not None


def test_a_notification_shows_and_says_which_page_it_opens(browser: Chromium) -> None:
    notify(browser)
    payload = {"title": "1 needs you", "body": "question: alice", "path": "/needs-you/question-1"}
    browser.command("ServiceWorker.enable")

    def delivered() -> object:
        """Push to the worker, whose number is unknown; before it is active that is lost."""
        for number in range(20):
            browser.command(
                "ServiceWorker.deliverPushMessage",
                origin=browser.base,
                registrationId=str(number),
                data=json.dumps(payload),
            )
        return shown(browser)

    found = eventually(delivered, what="a notification")
    assert found == [["1 needs you", "question: alice", "/needs-you/question-1", "needs-you"]]


def shown(browser: Chromium) -> object:
    """Return the notifications that show."""
    return browser.driver.execute_async_script(
        "const done = arguments[0];"
        "navigator.serviceWorker.ready.then((found) => found.getNotifications())"
        ".then((all) => done(all.map((each) => [each.title, each.body, each.data.path, each.tag])))"
    )


def test_the_pages_fit_on_a_phone(browser: Chromium) -> None:
    for path in ("/account", "/needs-you", "/login"):
        browser.open(path)
        assert browser.run("return document.documentElement.scrollWidth") <= PHONE[0], path


def test_it_can_be_put_on_the_home_screen(browser: Chromium) -> None:
    browser.open("/")
    found = browser.command("Page.getAppManifest")
    assert found["errors"] == []
    assert found["url"].endswith("/static/hive.webmanifest")
    manifest = json.loads(found["data"])
    for icon in manifest["icons"]:
        size = browser.driver.execute_async_script(
            "const [src, done] = arguments; const image = new Image(); image.src = src;"
            "image.decode().then(() => done([image.naturalWidth, image.naturalHeight]));",
            icon["src"],
        )
        if icon["sizes"] != "any":
            assert f"{size[0]}x{size[1]}" == icon["sizes"]


CLICKS = """
const handlers = {}, opened = [];
const self = {addEventListener: (name, handler) => { handlers[name] = handler; },
  clients: {openWindow: (path) => opened.push(path)}};
%s
let closed = 0;
const notification = {data: {path: "/needs-you/question-1"}, close: () => { closed += 1; }};
handlers.notificationclick({notification, waitUntil: () => {}});
return [opened, closed];
"""


def test_a_tap_on_a_notification_opens_its_page(browser: Chromium, url: str) -> None:
    browser.open("/account")
    worker = browser.driver.execute_async_script(
        "const done = arguments[0]; fetch('/worker.js').then((a) => a.text()).then(done)"
    )
    browser.driver.get("about:blank")
    assert browser.run(CLICKS % worker.replace('"use strict";', "")) == [
        ["/needs-you/question-1"],
        1,
    ]
