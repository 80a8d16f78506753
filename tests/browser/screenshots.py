"""Makes the pictures of the dashboard in docs/pictures: `python -m tests.browser.screenshots`.

The hive is a real one. One of its agents is the real Claude Code with a scripted model, whose turn
does not end, so its page shows a turn as it happens. Needs the dependency group `pictures`.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from io import BytesIO
from pathlib import Path

from PIL import Image

from hive.client.blocking import call as ask
from tests.browser.chromium import PHONE, Chromium, started
from tests.browser.swarm import BrowsedHive
from tests.claude.swarm import Swarm
from tests.support.daemons import eventually
from tests.support.messages_endpoint import Endpoint, call, say

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

LARGEST = 100_000
"""Bytes of a picture."""

CODER = """\
tools = ["Read", "Edit", "Write", "Bash"]
"""

NAME = 'name = "swarm"\n'

OTHERS = """
[manager]
exec = ["sleep", "100000"]
description = "shares out the work"

[agents.tester]
exec = ["sleep", "100000"]

[agents.docs]
run = ["cat"]

[agents.scout]
exec = ["sh", "-c", "echo 'boom: no such key: token' >&2; exit 4"]
restart = { max_restarts = 0 }

[peers.damocles]
description = "the day-job session"
"""

OLD = """def parse(text):
    return [int(part) for part in text.split(",")]
"""

NEW = """def parse(text):
    parts = (part.strip() for part in text.split(","))
    return [int(part) for part in parts if part]
"""


def main() -> None:
    """Make all pictures, and print the size of each."""
    held = threading.Event()
    with tempfile.TemporaryDirectory() as root, Endpoint() as endpoint:
        hive = BrowsedHive(Path(root))
        try:
            _prepare(hive, endpoint, held)
            with started() as browser:
                _take_all(hive, browser)
        finally:
            held.set()
            hive.close()


def _prepare(hive: BrowsedHive, endpoint: Endpoint, held: threading.Event) -> None:
    swarm = Swarm(hive.disk, endpoint, hive.disk.root)
    swarm.configure("coder", claude=CODER, more=NAME + hive.web_table() + OTHERS)
    script = hive.disk.root / "parse.py"
    script.write_text(OLD)
    endpoint.script(
        call("Read", file_path=str(script)),
        call("Edit", file_path=str(script), old_string=OLD, new_string=NEW),
        call("Bash", command="python3 -c 'print(\"3 passed\")'", description="run the tests"),
        say("Spaces and an empty last field are accepted now; the tests pass.", held=held),
        agent="coder",
    )
    hive.mend()
    for name in ("tester", "docs", "hm1nd", "coder"):
        hive.disk.until_state(name, "running", within=60)
    _happen(hive, endpoint)


def _happen(hive: BrowsedHive, endpoint: Endpoint) -> None:
    """Let the participants write, ask, and wait for the operator."""
    run_dir = hive.disk.run_dir
    hive.participant("tester", "set_status", text="pytest -k parse")
    hive.participant("damocles", "set_status", text="reviews the release")
    hive.participant(
        "tester", "send", to="docs", body="the parser takes spaces now, please note it"
    )
    hive.participant("damocles", "send", to="tester", body="is the branch green?")
    ask(
        run_dir / "manager.sock", {"cmd": "send", "to": "coder", "body": "accept spaces in parse()"}
    )
    hive.propose("linter", "#!/bin/sh\nexec ruff check .\n", "looks at every commit")
    hive.participant(
        "tester", "ask", question="Merge or rebase the branch?", options=["merge", "rebase"]
    )
    endpoint.wait(lambda requests: len(requests) > 3)
    eventually(lambda: hive.disk.state("scout") == "failed", what="a failed scout")


def _take_all(hive: BrowsedHive, browser: Chromium) -> None:
    hive.log_in(browser)
    browser.resize((1200, 900))
    browser.open("/")
    browser.shows("Merge or rebase the branch?", "scout", "linter")
    _take(browser, "dashboard")
    browser.open("/agent/coder/")
    browser.shows("parse.py", "3 passed")
    _take(browser, "agent-page")
    browser.resize(PHONE)
    browser.colours("dark")
    browser.open("/")
    browser.shows("Merge or rebase the branch?")
    _take(browser, "phone")


def _take(browser: Chromium, name: str) -> None:
    """Write what is shown with as many colours as fit into one byte: a third of the size."""
    file = PICTURES / f"{name}.png"
    with Image.open(BytesIO(browser.driver.get_screenshot_as_png())) as shot:
        few = shot.convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        few.save(file, optimize=True)
    size = file.stat().st_size
    assert size < LARGEST, f"{file} has {size} bytes, more than {LARGEST}"
    sys.stdout.write(f"docs/pictures/{file.name}: {size} bytes\n")


if __name__ == "__main__":
    main()
