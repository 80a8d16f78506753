"""The most used verbs import almost nothing: the gate that keeps them fast.

Imports take most of the time of a verb, and a single one can double it. Each verb runs as a real
program against a real daemon, under `-X importtime`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk

FOR_ALL = (
    "__future__ contextlib errno functools importlib io json math os select socket stat sys time"
)
"""What every verb may import, with what these import themselves."""

FURTHER = {"status": "datetime", "inbox": "datetime", "statusline": "datetime"}
"""What else a verb of the operator may import."""

FOR_MAIL = "datetime"
"""What the hook may import in order to describe unread mail."""

REMEDY = (
    "it costs every call. Import it where it is needed, or only for the type checker (see "
    "hive/__init__.py); or add it to the list here, and measure: make bench-verbs"
)


def imported(arguments: list[str | Path], env: dict[str, str], stdin: str = "") -> set[str]:
    """Return the modules that a run of Python imports, those of `hive` left out."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    assert "site" in names, "nothing was reported"
    return {name for name in names if name.partition(".")[0] != "hive"}


def check(
    hive: HiveOnDisk, allowed: str, program: str, *words: str, name: str = "eve", stdin: str = ""
) -> None:
    """Fail if a verb imports more than these modules do; as a participant of this name."""
    env = {**hive.env, "HIVE_SOCKET": str(hive.socket_of(name)), "HIVE_STATE": str(hive.root)}
    imports = f"import {', '.join(allowed.split())}"
    extra = imported([PROGRAMS / program, *words], env, stdin) - imported(["-c", imports], env)
    assert extra == set(), f"'{program} {words[0]}' imports {', '.join(sorted(extra))}: {REMEDY}"


@pytest.fixture(scope="module", name="on_disk")
def _on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    hive = HiveOnDisk(tmp_path_factory.mktemp("hive"))
    hive.configure('[manager]\nexec = ["sleep", "3600"]\n[peers.bob]\n[peers.eve]\n[peers.idle]\n')
    hive.start()
    try:
        hive.ok("send", "operator", "hello")
        hive.ok("send", "bob", "hello", "--priority", "high")
        yield hive
    finally:
        hive.close()


@pytest.mark.parametrize(
    "words",
    [
        ["send", "eve", "hello"],
        ["send", "eve", "hello", "--json"],
        ["list"],
        ["list", "--agents"],
        ["list", "--json"],
        ["status"],
        ["status", "bob"],
        ["status", "--json"],
        ["statusline"],
        ["statusline", "--json"],
        ["inbox"],
        ["inbox", "--json", "-n", "5"],
    ],
    ids=" ".join,
)
def test_a_verb_of_the_operator_imports_almost_nothing(on_disk, words):
    check(on_disk, f"{FOR_ALL} {FURTHER.get(words[0], '')}", "hive-c0re", *words)


@pytest.mark.parametrize("program", ["hive-ag3nt", "hive-m1nd"])
@pytest.mark.parametrize("words", [["send", "eve", "hello"], ["recv"], ["hook"]], ids=" ".join)
def test_a_verb_of_a_participant_imports_almost_nothing(on_disk, program, words):
    stdin = '{"hook_event_name": "PostToolUse", "session_id": "s1"}'

    check(on_disk, FOR_ALL, program, *words, name="idle", stdin=stdin)


def test_a_receiver_of_mail_imports_almost_nothing(on_disk):
    on_disk.ok("send", "eve", "hello")

    check(on_disk, FOR_ALL, "hive-ag3nt", "recv", name="eve")


def test_a_hook_with_mail_imports_what_describes_it(on_disk):
    stdin = '{"hook_event_name": "PostToolUse", "session_id": "s1"}'

    check(on_disk, f"{FOR_ALL} {FOR_MAIL}", "hive-ag3nt", "hook", name="bob", stdin=stdin)


def test_a_verb_that_imports_more_fails_the_gate(on_disk):
    with pytest.raises(AssertionError, match=r"'hive-c0re tree' imports .*click.*: it costs"):
        check(on_disk, FOR_ALL, "hive-c0re", "tree")
