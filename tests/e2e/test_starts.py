"""What cannot start is said at once, and what fails leaves nothing, through the real programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import HiveOnDisk, eventually, pids_of

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def note(hive: HiveOnDisk, name: str) -> str:
    """Return the NOTE of a participant in the plain status."""
    title, *lines = hive.ok("status").splitlines()
    [line] = [line for line in lines if line.split()[0] == name]
    return line[title.index("NOTE") :]


def refused(hive: HiveOnDisk, *arguments: str) -> tuple[int, str]:
    done = hive.run(*arguments)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--", "nosuchprogram"), "there is no program 'nosuchprogram' on PATH"),
        (("--exec", "--", "nosuchprogram"), "there is no program 'nosuchprogram' on PATH"),
        (("--", "/no/such.sh"), "there is no program '/no/such.sh'"),
        (("--", "{noshebang}"), "is a script without a first line that names its interpreter"),
        (("--exec", "--", "{nointerpreter}"), "there is no interpreter '/no/such/shell'"),
        (("--cwd", "/nonexistent", "--exec", "--", "true"), "there is no directory /nonexistent"),
    ],
    ids=["program", "agent", "path", "no shebang", "interpreter", "directory"],
)
def test_a_spawn_that_cannot_work_is_refused_and_leaves_nothing(
    hive: HiveOnDisk, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    scripts = {
        "{noshebang}": str(script(tmp_path / "noshebang", "echo hi\n")),
        "{nointerpreter}": str(script(tmp_path / "nointerpreter", "#!/no/such/shell\n")),
    }
    hive.start()
    status, error = refused(hive, "spawn", "bad", *(scripts.get(each, each) for each in arguments))
    assert status == 2
    assert sentence in error
    assert not any(hive.json("list").values())
    assert not (hive.state_dir / "agents" / "bad").exists()
    hive.ok("spawn", "bad", "--exec", "--", "sleep", "1000")


def test_a_start_that_fails_leaves_nothing_but_what_was_there_before(hive: HiveOnDisk) -> None:
    hive.start()
    in_the_way = hive.state_dir / "agents" / "big"
    in_the_way.write_text("a file in the place of its directory")
    status, error = refused(hive, "spawn", "big", "--exec", "--", "sleep", "1000")
    assert status == 1
    assert str(in_the_way) in error
    assert "not all of its files are removed" in error
    assert hive.json("list")["agents"] == []
    assert not hive.socket_of("big").exists()
    in_the_way.unlink()
    hive.ok("spawn", "big", "--exec", "--", "sleep", "1000")


def test_a_program_that_vanished_refuses_start_and_restart(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    program = script(tmp_path / "agent.sh", "#!/bin/sh\nexec sleep 1000\n")
    hive.configure(f'[agents.alice]\nexec = ["{program}"]\n[agents.bob]\nexec = ["sleep", "99"]\n')
    hive.start()
    before = hive.until_state("alice", "running")
    program.unlink()
    status, error = refused(hive, "restart", "alice")
    assert (status, f"there is no program '{program}'" in error) == (2, True)
    assert hive.status("alice")["pid"] == before["pid"], "it runs on"
    hive.ok("stop", "alice")
    status, _ = refused(hive, "start", "alice")
    assert (status, hive.status("alice")["state"]) == (2, "stopped")
    hive.ok("restart", "bob")


def test_a_reload_with_a_program_that_is_missing_changes_nothing(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    present = '[agents.alice]\nexec = ["sleep", "1000"]\n'
    hive.configure(present)
    hive.start()
    hive.until_state("alice", "running")
    hive.configure(present + 'memory_max = "1G"\n[agents.bob]\nexec = ["nosuchprogram"]\n')
    for options in ((), ("--dry-run",)):
        status, error = refused(hive, "reload", *options)
        assert status == 2
        assert "nothing is changed: agents.bob.exec: there is no program 'nosuchprogram'" in error
    assert hive.json("list")["agents"] == ["alice"]
    assert not hive.status("alice")["needs_update"]
    hive.configure(present + '[agents.bob]\nexec = ["sleep", "1000"]\n')
    hive.ok("reload")
    hive.until_state("bob", "running")


def test_an_agent_of_the_file_that_cannot_start_is_parked_at_once_with_the_cause(
    hive: HiveOnDisk,
) -> None:
    hive.configure(
        '[agents.run]\nrun = ["nosuchprogram"]\n[agents.exec]\nexec = ["nosuchprogram"]\n'
        '[agents.crash]\nexec = ["sh", "-c", "echo boom: no such key; exit 4"]\n'
        "[restart]\nmax_restarts = 1\nbase = 0.05\n"
    )
    hive.start()
    for name in ("run", "exec"):
        row = hive.until_state(name, "failed")
        assert row["restarts"] == 0
        assert "there is no program 'nosuchprogram' on PATH" in note(hive, name)
    assert hive.until_state("crash", "failed")["restarts"] == 1
    assert note(hive, "crash") == "exited with status 4: boom: no such key"


@pytest.mark.parametrize("how", ["kill -9", "shutdown --keep-agents", "shutdown"])
def test_a_parked_agent_stays_parked_however_the_daemon_ends(hive: HiveOnDisk, how: str) -> None:
    hive.configure(
        '[agents.crash]\nexec = ["sh", "-c", "echo boom; exit 4"]\n'
        "[restart]\nmax_restarts = 2\nbase = 0.02\n"
    )
    hive.start()
    hive.until_state("crash", "failed")
    eventually(lambda: "crash" in hive.ok("inbox"), what="the mail about it")
    if how == "kill -9":
        hive.kill()
    else:
        assert hive.daemon is not None
        hive.ok(*how.split())
        hive.daemon.wait(20)
    hive.start()
    row = hive.status("crash")
    assert (row["state"], row["failed"], row["restarts"]) == ("failed", True, 2)
    assert note(hive, "crash") == "exited with status 4: boom"
    events = hive.json("events", "-n", "3")
    assert "started" not in [event["event"] for event in events]
    assert hive.ok("inbox").count("[stored]") + hive.ok("inbox").count("failed") >= 1
    assert len(hive.json("inbox")) == 1, "nobody is told again"
    hive.ok("stop", "crash")
    assert hive.status("crash")["state"] == "stopped"


def test_a_program_that_cannot_be_run_any_more_shows_in_the_status(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    program = script(tmp_path / "agent.sh", "#!/bin/sh\necho done\n")
    hive.start()
    hive.ok("spawn", "alice", "--", str(program))
    hive.ok("send", "alice", "hi", "--wait", "20")
    program.write_text("#!/no/such/shell\n")
    hive.ok("send", "alice", "again")
    found = eventually(
        lambda: "there is no interpreter" in (text := note(hive, "alice")) and text,
        what="the reason in the note",
    )
    assert found.startswith("waiting ")
    assert f"cannot start {program}" in found


def test_a_wrong_name_among_several_does_nothing_in_the_same_words(hive: HiveOnDisk) -> None:
    hive.configure(
        '[agents.words]\nexec = ["sleep", "99"]\n[agents.fresh]\nexec = ["sleep", "99"]\n'
        "[peers.laptop]\n"
    )
    hive.start()
    pids = [hive.until_state(name, "running")["pid"] for name in ("words", "fresh")]
    said = set()
    for verb in ("start", "stop", "restart", "rebuild", "kill", "pause", "resume"):
        status, error = refused(hive, verb, "words", "nobody", "fresh")
        assert status == 4
        said.add(error)
    for verb in ("cancel", "new-session"):
        status, error = refused(hive, verb, "words", "nobody", "fresh")
        assert status in {4, 5}, "the first of them has no harness"
        assert "'nobody'" in error
        assert "nothing was done" in error
    assert said == {"hive-c0re: nothing was done: there is no participant 'nobody'\n"}
    assert refused(hive, "group", "add", "team", "words", "nobody")[0] == 4
    assert hive.json("group", "list") == {}
    hive.ok("group", "add", "team", "words")
    assert refused(hive, "group", "remove", "team", "words", "nobody")[0] == 4
    assert hive.json("group", "list") == {"team": ["words"]}
    assert [hive.status(name)["pid"] for name in ("words", "fresh")] == pids
    assert not hive.status("words")["paused"]
    alone = {refused(hive, verb, "laptop")[1] for verb in ("stop", "kill", "restart", "pause")}
    assert len(alone) == 1
    assert alone.pop().startswith("hive-c0re: 'laptop' is a peer")


def test_the_operators_restarts_are_not_counted(hive: HiveOnDisk) -> None:
    hive.start()
    hive.ok("spawn", "words", "--exec", "--", "sleep", "1000")
    hive.ok("restart", "words")
    hive.ok("stop", "words")
    hive.ok("start", "words")
    assert hive.status("words")["restarts"] == 0


def test_the_first_example_of_the_configuration_works_as_written(
    hive: HiveOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [example, *_] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    hive.configure(example)
    script(tmp_path / "manager.sh", "#!/bin/sh\necho managed\n")
    script(tmp_path / "alice.py", "#!/usr/bin/env python3\nimport sys\nprint(*sys.argv[1:])\n")
    (tmp_path / "bob.py").write_text(
        "import subprocess, time\n"
        'subprocess.run(["hive-ag3nt", "send", "operator", "bob is here"], check=True)\n'
        "time.sleep(1000)\n"
    )
    monkeypatch.chdir("/")
    hive.ok("check", str(hive.config))
    hive.start()
    assert hive.ok("send", "alice", "hi", "--wait", "20").strip().endswith("--fast")
    assert hive.ok("send", "manager", "hi", "--wait", "20").strip().endswith("managed")

    def from_bob() -> list[Any]:
        return [each for each in hive.json("inbox") if each["from"] == "bob"]

    assert eventually(from_bob, what="the mail of bob")[0]["body"] == "bob is here"
    rows = {row["name"]: row["state"] for row in hive.json("status")}
    assert rows == {"hm1nd": "running", "alice": "running", "bob": "running", "damocles": "away"}
    assert hive.json("list")["descriptions"] == {
        "damocles": "the day-job session, in its own container"
    }


# Many agents


def test_host_sock_answers_while_agents_are_queued_and_a_request_goes_first(
    hive: HiveOnDisk,
) -> None:
    names = [f"a{number}" for number in range(6)]
    tables = "".join(f'[agents.{name}]\nrun = ["cat"]\n' for name in names)
    hive.configure(f"[machine]\nstarts = 1\n{tables}")
    hive.start()
    *_, last = queued = eventually(lambda: hive.json("list").get("queued"), what="a queue")
    hive.ok("start", last)
    assert hive.status(last)["pid"]
    assert set(hive.json("list").get("queued", ())) < set(queued)
    for name in names:
        eventually(lambda name=name: hive.status(name)["connected"], what=f"{name} connected")
    assert hive.json("list")["queued"] == []


def test_a_queued_agent_is_not_started_by_the_end_of_the_daemon(hive: HiveOnDisk) -> None:
    names = [f"a{number}" for number in range(6)]
    tables = "".join(f'[agents.{name}]\nrun = ["cat"]\n' for name in names)
    hive.configure(f"[machine]\nstarts = 1\n{tables}")
    hive.start()
    eventually(lambda: hive.json("list").get("queued"), what="a queue")
    assert hive.interrupt() == 0
    assert pids_of(hive.state_dir) == {}
    assert len([line for line in hive.output().splitlines() if " started " in line]) < len(names)
