"""Debian's Chromium without a window, by its WebDriver: what a person does, and what they see.

Nothing is downloaded, and no name is looked up: the paths of both programs are given, so Selenium's
manager does not run, and Chromium knows no host but the loopback address.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import CDLL
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.daemons import eventually

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"

needs_chromium = pytest.mark.skipif(
    not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
    reason="Chromium is not installed: apt-get install chromium chromium-driver",
)

_LIBC, _DEATH_SIGNAL = CDLL(None), 1
"""For PR_SET_PDEATHSIG of prctl(2)."""

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-lcd-text",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

UNLOADED_ICON = "Error while trying to use the following icon from the Manifest"

DESKTOP, PHONE = (1280, 900), (390, 844)
"""Width and height of a window, in CSS pixels."""

_PASSING = (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
"""Errors of a page that changes meanwhile."""

NAMED = """
const wanted = arguments[0], name = arguments[1];
const says = (element) => {
  const by = element.getAttribute("aria-labelledby");
  const labels = element.labels ? [...element.labels].map((each) => each.innerText) : [];
  const text = element.getAttribute("aria-label") ?? (by && document.getElementById(by)?.innerText)
    ?? (labels.length ? labels.join(" ") : element.innerText);
  return text.trim().replace(/\\s+/g, " ");
};
return [...document.querySelectorAll(wanted)].find(
  (each) => each.checkVisibility({visibilityProperty: true}) && says(each) === name) ?? null;
"""
"""Finds what is shown under a name, as a screen reader would say it."""


class Chromium:
    """A running browser with a profile of its own, and one page.

    Attributes:
        driver: Selenium's driver, for what has no method here.
        base: The address that paths are relative to.
        home: The directory of its profile, and of all that it writes.
    """

    def __init__(self) -> None:
        self.base = ""
        self._home = TemporaryDirectory(prefix="hive-chromium-", ignore_cleanup_errors=True)
        self.home = home = self._home.name
        self._service = Service(
            CHROMEDRIVER,
            env={**os.environ, "HOME": home, "TMPDIR": home, "SE_OFFLINE": "true"},
            popen_kw={"start_new_session": True, "preexec_fn": _end_with_parent},
        )
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in (*OPTIONS, f"--user-data-dir={home}/profile"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=self._service)
        self.resize(DESKTOP)

    def close(self) -> None:
        """End the browser, its driver, and every process of both."""
        with suppress(WebDriverException, OSError):
            self.driver.quit()
        with suppress(ProcessLookupError):
            os.killpg(self._service.process.pid, signal.SIGKILL)
        self._home.cleanup()

    # The window

    def reset(self) -> None:
        """Forget all cookies and what was shown, for the next test."""
        self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.resize(DESKTOP)
        self.colours("light")
        self.complaints()

    def command(self, name: str, /, **arguments: Any) -> Any:
        """Give a command of Chromium's DevTools."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def resize(self, size: tuple[int, int]) -> None:
        """Show the page in a window of a size, or on a phone if it is as narrow as one."""
        width, height = size
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width <= PHONE[0],
        )

    def colours(self, scheme: str) -> None:
        """Prefer a `light` or a `dark` page."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def complaints(self) -> list[str]:
        """Return what the console has shown since the last call: errors, refusals by the policy.

        A page that is left before its icon was loaded is none.
        """
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in {"SEVERE", "WARNING"} and UNLOADED_ICON not in entry["message"]
        ]

    # What a person sees

    def open(self, path: str) -> None:
        """Go to a page."""
        self.driver.get(self.base + path)

    @property
    def path(self) -> str:
        """Path and query of the page."""
        return self.driver.current_url.removeprefix(self.base)

    @property
    def text(self) -> str:
        """All text that is shown."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def shows(self, *texts: str, within: float = 20.0) -> None:
        """Wait until the page shows some texts."""
        try:
            eventually(
                lambda: all(text in self.text for text in texts), within=within, what=repr(texts)
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.path} is:\n{self.text}") from None

    def hides(self, text: str) -> None:
        """Wait until the page shows a text no more."""
        eventually(lambda: text not in self.text, what=f"the end of {text!r}")

    def appears(self, selector: str) -> None:
        """Wait until there is such an element."""
        eventually(lambda: self.count(selector) > 0, what=selector)

    def vanishes(self, selector: str) -> None:
        """Wait until there is no such element."""
        eventually(lambda: self.count(selector) == 0, what=f"the end of {selector}")

    def count(self, selector: str) -> int:
        """Return how many elements there are."""
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def named(self, selector: str, name: str) -> WebElement | None:
        """Return the element that is shown under a name; None if there is none."""
        found = self.run(NAMED, selector, name)
        assert found is None or isinstance(found, WebElement)
        return found

    @property
    def focused(self) -> str:
        """Tag and name of what has the focus, such as `button answer`."""
        element = self.driver.switch_to.active_element
        return f"{element.tag_name} {element.accessible_name}".strip()

    # What a person does

    def click(self, name: str, within: str = "") -> None:
        """Click a button, a link or a box by its name.

        Args:
            name: What it says.
            within: A selector of what it is in.
        """
        parts = ("button", "a[href]", "summary", "[role=button]", "label:has([type=checkbox])")
        selector = ", ".join(f"{within} {part}" for part in parts)
        self._retry(lambda: self._element(selector, name).click(), f"a click on {name!r}")

    def type(self, label: str, text: str, within: str = "") -> None:
        """Type a text into a field by its label."""
        selector = ", ".join(f"{within} {part}" for part in ("input", "textarea", "select"))
        self._retry(
            lambda: self._element(selector, label).send_keys(text), f"a field named {label!r}"
        )

    def press(self, *keys: str) -> None:
        """Press keys, whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def _element(self, selector: str, name: str) -> WebElement:
        found = self.named(selector, name)
        if found is None:
            raise NoSuchElementException(f"{name} in {self.path}:\n{self.text}")
        return found

    def _retry(self, act: Callable[[], None], what: str) -> None:
        """Do something with a page that may be replaced meanwhile."""
        errors: list[WebDriverException] = []

        def is_done() -> bool:
            try:
                act()
            except _PASSING as error:
                errors[:] = [error]
                return False
            return True

        try:
            eventually(is_done, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {errors[0].msg}") from None


def _end_with_parent() -> None:
    """Let the kernel end the driver if the tests are killed; the browser ends with its pipe."""
    _LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL)


@contextmanager
def started() -> Iterator[Chromium]:
    """Run a browser."""
    browser = Chromium()
    try:
        yield browser
    finally:
        browser.close()
