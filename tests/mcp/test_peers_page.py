"""docs/peers.md agrees with the code; its commands are run as written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.client.agent import AgentClient
from hive.harness.tools import SessionMail, for_kind
from tests.support.daemons import PROGRAMS, HiveOnDisk

PAGE = (Path(__file__).parents[2] / "docs" / "peers.md").read_text()

SWARM = """
[manager]
run = ["sh", "-c", "cat >/dev/null; echo half way"]
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands(heading: str) -> list[tuple[list[str], str]]:
    """Return the command lines below a heading with the output that the page shows."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: list[tuple[list[str], str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^[$#] (?=[a-z])", block, flags=re.MULTILINE)[1:]:
            line, _, printed = part.partition("\n")
            found.append((shlex.split(line), printed))
    return found


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    made.configure(SWARM)
    yield made
    made.close()


def test_the_first_commands_print_what_the_page_shows(hive: HiveOnDisk) -> None:
    hive.start()
    [(_, _), (register, printed)] = commands("On the host")
    path = hive.ok(*register[1:], program=register[0]).strip()
    assert path == str(hive.socket_of("damocles"))
    assert Path(printed.strip()) == Path("/run/hyperhive").joinpath(*Path(path).parts[-3:])
    answers = []
    for command, printed in commands("The first commands"):
        done = hive.as_participant("damocles", *command[1:])
        assert done.returncode == 0, done.stderr
        answers.append((done.stdout, printed))
    for said, printed in answers:
        without_time = [re.sub(r"at \S+,", "at T,", text).strip() for text in (said, printed)]
        assert without_time[0] == without_time[1]


def test_every_tool_is_named_with_its_arguments():
    client = AgentClient(Path("/nonexistent"))
    named = {
        tool: re.findall("`(.*?)`", arguments)
        for table in PAGE.split("| tool |")[1:]
        for tool, arguments in re.findall(
            r"^\| `(\w+)` \| (.*?) \|", table.split("\n\n")[0], re.MULTILINE
        )
    }
    assert named == {
        tool.name: [
            name if name in tool.schema["required"] else f"{name}?"
            for name in tool.schema["properties"]
        ]
        for tool in for_kind(client, manager=True, mail=SessionMail(client))
    }


def test_the_hook_settings_and_the_table_name_the_same_events():
    [settings] = blocks("json")
    events = json.loads(settings)["hooks"]
    table = PAGE.split("| event |")[1].split("\n\n")[0]
    assert list(events) == re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert {hook["command"] for [group] in events.values() for hook in group["hooks"]} == {
        "hive-ag3nt hook"
    }


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    [text] = blocks("ini")
    unit = tmp_path / "hive-peer.service"
    unit.write_text(
        text.replace("/opt/hyperhive/bin", str(PROGRAMS)).replace("User=muede", "User=root")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert "hive-peer.service" not in done.stderr, done.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
def test_the_tmpfiles_line_gives_access_to_the_group_only(hive: HiveOnDisk, tmp_path: Path) -> None:
    [line] = re.findall(r"^d /run/hyperhive/\S+ .*$", PAGE, re.MULTILINE)
    conf = tmp_path / "hive-damocles.conf"
    conf.write_text(line.replace("/run/hyperhive", str(hive.run_dir)))
    hive.run_dir.chmod(0o751)
    subprocess.run(["systemd-tmpfiles", "--create", conf], check=True, timeout=50)
    hive.configure(SWARM + "[peers.damocles]\n")
    hive.start()
    for group, allowed in ((1000, True), (1001, False)):
        user = ("setpriv", "--reuid=4242", f"--regid={group}", "--clear-groups")
        done = subprocess.run(
            [*user, "test", "-w", hive.socket_of("damocles")], check=False, timeout=50
        )
        assert (done.returncode == 0) is allowed, f"connect(2) of group {group}, see unix(7)"
