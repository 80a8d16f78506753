"""The browser itself: what it reaches, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium.common.exceptions import WebDriverException

from tests.browser.chromium import Chromium, needs_chromium
from tests.support.daemons import eventually

pytestmark = needs_chromium

KILLED = """
import os
from tests.browser.chromium import Chromium
browser = Chromium()
browser.driver.get("about:blank")
print(browser.home, flush=True)
os.kill(os.getpid(), 9)
"""


def processes_of(home: str) -> list[str]:
    """Return the command lines of the processes that use a browser's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes()
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if os.fsencode(home) in environ + os.fsencode(line):
            found.append(line)
    return found


def test_nothing_of_it_outlives_a_test_run_that_is_killed() -> None:
    # Chromium makes sockets there, whose paths have to be short.
    with TemporaryDirectory(prefix="hive-", ignore_cleanup_errors=True) as directory:
        with (Path(directory) / "home").open("w+") as output:
            subprocess.run(
                [sys.executable, "-c", KILLED],
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TMPDIR": directory},
                stdout=output,
                check=False,
                timeout=50,
            )
            output.seek(0)
            home = output.read().strip()
        assert home.startswith(directory)
        eventually(lambda: processes_of(home) == [], what="the end of all its processes")


def test_it_finds_no_other_host(stranger: Chromium) -> None:
    with pytest.raises(WebDriverException, match="ERR_NAME_NOT_RESOLVED"):
        stranger.driver.get("http://example.org/")
