"""What needs the operator, with the real daemon and real programs of `[notices]`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

CONFIG = """
[notices]
needs_you = ["{script}", "needs $(touch {root}/harm)"]
failed = ["{script}", "failed"]
done = ["{script}", "done"]

[restart]
max_restarts = 1
base = "10ms"

[agents.echo]
run = ["cat"]

[agents.bad]
exec = ["sh", "-c", "echo starting; echo 'boom: no such key'; exit 4"]

[peers.lab]
"""

SCRIPT = """#!/bin/sh
cat >> {root}/notices
printf '%s|%s\\n' "$1" "$HIVE_NOTICE_TEXT" >> {root}/words
"""

PATIENCE = 30.0


@pytest.fixture(name="noticed")
def _noticed(hive: HiveOnDisk) -> HiveOnDisk:
    script = hive.root / "notify.sh"
    script.write_text(SCRIPT.format(root=hive.root))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    hive.configure(CONFIG.format(script=script, root=hive.root))
    return hive


def notices(hive: HiveOnDisk) -> list[tuple[str, str]]:
    """Return the class and the id of each item of which a program was told, sorted."""
    path = hive.root / "notices"
    lines = path.read_text().splitlines() if path.exists() else []
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return sorted((each["class"], item["id"]) for each in found for item in each["items"])


def until_notices(hive: HiveOnDisk, *expected: tuple[str, str]) -> None:
    eventually(
        lambda: notices(hive) == sorted(expected),
        within=PATIENCE,
        what=f"{expected}, not {notices(hive)}",
    )


def ids(hive: HiveOnDisk, *options: str) -> list[str]:
    done = hive.run("attention", "--json", *options)
    found = [each["id"] for each in json.loads(done.stdout)]
    assert done.returncode in ({0, 9} if options else {9 if found else 0}), done.stderr
    return found


@pytest.mark.slow
def test_what_needs_the_operator_is_listed_snoozed_and_notified_once(noticed: HiveOnDisk) -> None:
    hive = noticed
    hive.start()
    hive.until_state("bad", "failed")
    asked = hive.as_participant("lab", "ask", "$(reboot) `x` ok?", "--option", "yes")
    question = f"question-{asked.stdout.strip()}"
    sent = hive.as_participant("lab", "send", "operator", "look at this")
    mail = f"mail-{sent.stdout.split()[-1].lstrip('#')}"
    assert ids(hive) == [question, "failed-bad", mail]

    table = hive.run("attention")
    assert table.returncode == 9
    lines = table.stdout.splitlines()
    assert "lab asks: $(reboot) `x` ok?  [yes]  -> hive-c0re answer" in lines[0]
    assert "bad failed: boom: no such key" in lines[1]
    assert "-> hive-c0re start bad" in lines[1]
    expected = [("needs_you", question), ("failed", "failed-bad"), ("needs_you", mail)]
    until_notices(hive, *expected)

    hive.ok("attention", "snooze", mail, "3s")
    hive.ok("attention", "archive", "bad")
    assert ids(hive) == [question]
    assert ids(hive, "--all") == [question, "failed-bad", mail]
    assert hive.status("bad")["archived"] is True
    eventually(lambda: ids(hive) == [question, mail], what="a mail that wakes")
    until_notices(hive, *expected, ("needs_you", mail))  # its snooze has ended
    expected.append(("needs_you", mail))

    line = hive.ok("statusline")
    assert line.startswith("2 need you (oldest ")
    assert line.endswith("0 working\n")

    # A daemon that was killed, and one that stops in order.
    for end in (hive.kill, hive.interrupt):
        end()
        assert hive.ok("statusline") == "hive is not running\n"
        hive.start()
        assert ids(hive) == [question, mail]
        assert hive.status("bad")["archived"] is True

    hive.ok("attention", "answer", question, "yes")
    hive.ok("attention", "read", mail)
    assert ids(hive) == []
    assert (hive.run("attention").returncode, hive.run("attention").stdout) == (0, "")
    answer = hive.as_participant("lab", "recv")
    assert "yes" in answer.stdout

    # Something new: were anything to be notified again, it would be by then.
    hive.ok("send", "echo", "hello", "--wait")
    hive.as_participant("lab", "send", "operator", "more")
    done = [("needs_you", each) for each in ids(hive) if each.startswith("mail-")]
    until_notices(hive, *expected, *done, ("done", "done-echo"))
    words = (hive.root / "words").read_text()
    assert "needs $(touch" in words
    assert "$(reboot) `x` ok?" in words
    assert not (hive.root / "harm").exists()


@pytest.mark.slow
def test_a_program_that_fails_is_an_event_once_and_check_finds_one_that_is_missing(
    hive: HiveOnDisk,
) -> None:
    hive.configure('[notices]\nneeds_you = ["./nothing"]\nquiet = "25:00-07:00"\n[peers.lab]\n')
    checked = hive.run("check", str(hive.config))
    assert checked.returncode == 7
    assert 'give two times of day such as "22:00-07:00"' in checked.stderr
    hive.configure('[notices]\nneeds_you = ["./nothing"]\n[peers.lab]\n')
    checked = hive.run("check", str(hive.config))
    assert checked.returncode == 7
    assert "notices.needs_you" in checked.stderr

    hive.start()
    hive.as_participant("lab", "send", "operator", "one")

    def failures() -> list[dict[str, Any]]:
        return [each for each in hive.json("events") if each["event"] == "notice_failed"]

    eventually(failures, within=PATIENCE, what="a failure")
    [event] = failures()
    assert event["detail"]["notice"] == "needs_you"
    assert "nothing" in event["detail"]["reason"]

    out = hive.root / "out"
    hive.configure(f'[notices]\nneeds_you = ["cp", "/dev/stdin", "{out}"]\n[peers.lab]\n')
    assert "notices" in hive.ok("reload")
    hive.ok("check", str(hive.config))
    # The retry after a failure is a minute later, so the next daemon is faster.
    hive.interrupt()
    hive.start()
    eventually(out.exists, within=PATIENCE, what="the notice of a new program")


@pytest.mark.slow
def test_the_examples_of_the_documentation_escape_what_agents_write(hive: HiveOnDisk) -> None:
    page = (Path(__file__).parents[2] / "docs" / "notices.md").read_text()
    blocks = [block.partition("```")[0] for block in page.split("```toml\n")[2:]]
    ntfy, desktop = blocks
    tools = hive.root / "tools"
    tools.mkdir()
    for name in ("curl", "notify-send"):
        tool = tools / name
        tool.write_text(
            f'#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done > {tools}/{name}.got\n'
        )
        tool.chmod(0o755)
    hive.env["PATH"] = f"{tools}:{PROGRAMS}:{os.environ['PATH']}"
    hostile = "@/etc/passwd <b>$(id)</b> \"'`x` -u"
    for name, block in (("curl", ntfy), ("notify-send", desktop)):
        hive.configure(f"{block.replace('quiet', '# quiet')}\n[peers.lab]\n")
        hive.ok("check", str(hive.config))
        hive.start()
        hive.as_participant("lab", "send", "operator", f"{hostile} {name}")
        got = tools / f"{name}.got"
        eventually(lambda got=got: got.exists() and got.read_bytes(), within=PATIENCE, what=name)  # type: ignore[misc]
        text = [word for word in got.read_text().split("\0") if "etc/passwd" in word]
        assert len(text) == 1
        if name == "curl":
            assert text[0].endswith(f"lab: {hostile} {name}")
        else:
            assert "&lt;b&gt;$(id)&lt;/b&gt;" in text[0]
            assert "<" not in text[0]
        hive.interrupt()
