"""A page in a WebKit view, as a desktop panel has it: Debian's WebKitGTK without a screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from tests.browser.swarm import BrowsedHive, item
from tests.support.daemons import eventually

DRIVER = shutil.which("WebKitWebDriver")
BROWSERS = sorted(Path("/usr/lib").glob("*/webkit2gtk-*/MiniBrowser"))

pytestmark = [
    pytest.mark.timeout(120),
    # Selenium's own driver of WebKitGTK gives it so.
    pytest.mark.filterwarnings("ignore:setting remote_server_addr:DeprecationWarning"),
    pytest.mark.skipif(
        DRIVER is None or not BROWSERS or shutil.which("Xvfb") is None,
        reason="WebKitGTK is not installed: apt-get install webkit2gtk-driver xvfb",
    ),
]


@pytest.fixture(scope="module", name="display")
def _display() -> Iterator[str]:
    """The name of a display that nobody sees."""
    reading, writing = os.pipe()
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    server = subprocess.Popen(words, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with open(reading) as pipe:  # noqa: PTH123 - a descriptor
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.fixture(name="view")
def _view(display: str, tmp_path: Path, hive: BrowsedHive) -> Iterator[WebDriver]:
    """A view that is logged in."""
    assert DRIVER is not None
    home = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    quiet = {"DISPLAY": display, "GDK_BACKEND": "x11", "LIBGL_ALWAYS_SOFTWARE": "1"}
    service = Service(
        DRIVER, env={**os.environ, **home, **quiet}, popen_kw={"start_new_session": True}
    )
    options = Options()
    options.binary_location = str(BROWSERS[-1])
    options.add_argument("--automation")
    driver = webdriver.WebKitGTK(options=options, service=service)
    try:
        driver.get(hive.link())
        driver.find_element(By.TAG_NAME, "button").click()
        eventually(lambda: "alice" in text_of(driver), what="the first page")
        yield driver
    finally:
        with suppress(WebDriverException, OSError):
            driver.quit()
        with suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)


def text_of(view: WebDriver) -> str:
    return view.find_element(By.TAG_NAME, "body").text


def test_a_panel_shows_an_agent_and_writes_to_it(view: WebDriver, hive: BrowsedHive) -> None:
    view.get(f"{hive.url}/agent/alice/?hide=header")
    assert view.find_elements(By.TAG_NAME, "nav") == []
    box = view.find_element(By.TAG_NAME, "textarea")
    assert box.is_displayed()
    box.send_keys("written in a panel")
    view.find_element(By.CSS_SELECTOR, "form[data-send] button").click()
    eventually(lambda: "written in a panel" in hive.disk.ok("inbox", "alice"), what="the message")
    eventually(lambda: "written in a panel" in text_of(view), what="the message on the page")
    assert box.get_property("value") == ""
    assert "hide=header" in view.current_url


def test_a_panel_follows_what_happens(view: WebDriver, hive: BrowsedHive) -> None:
    view.get(f"{hive.url}/")
    number = hive.ask("merge or rebase?", "merge", "rebase")
    eventually(lambda: "merge or rebase?" in text_of(view), what="the question, without a reload")
    choice = view.find_element(By.CSS_SELECTOR, item(number) + " button")
    choice.click()
    hive.received("damocles", "merge")
