"""The store through the real programs: backup, doctor, search, a full disk."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hive.client.blocking import BlockingClient
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

PEERS = "[peers.ann]\n[peers.ben]\n"

ON_A_SMALL_DISK = PEERS + '[limits]\ndisk_reserve = "64K"\n'
"""With a reserve that a file system of two MiB can have."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no permission to mount a tmpfs on this machine")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_backup_of_a_running_hive_starts_another_one(hive: HiveOnDisk) -> None:
    hive.configure(PEERS)
    hive.start()
    hive.ok("send", "ann", "remember me")
    copy = hive.root / "copy"
    assert hive.ok("backup", str(copy)) == ""
    refused = hive.run("backup", str(copy))
    assert (refused.returncode, "--force" in refused.stderr) == (5, True)
    made = json.loads(hive.ok("backup", str(copy), "--force", "--json"))
    assert made["bytes"] == copy.stat().st_size
    hive.ok("shutdown")
    assert hive.daemon is not None
    hive.daemon.wait(20)
    for part in hive.state_dir.glob("hive.sqlite*"):
        part.unlink()
    copy.rename(hive.state_dir / "hive.sqlite")
    hive.start()
    assert [row["body"] for row in hive.json("inbox", "ann")] == ["remember me"]


def test_doctor_finds_no_problem_in_a_healthy_hive_and_reports_a_missing_daemon(
    hive: HiveOnDisk,
) -> None:
    hive.configure(PEERS)
    hive.start()
    hive.ok("send", "ann", "hello")
    found = {each["check"]: each for each in hive.json("doctor", "--db")}
    found.pop("room")
    assert {each["verdict"] for each in found.values()} == {"ok"}
    assert "1 stored" in found["messages"]["sentence"]
    hive.ok("shutdown")
    assert hive.daemon is not None
    hive.daemon.wait(20)
    alone = hive.run("doctor")
    assert alone.returncode == 1
    assert "start it: 'hive-c0re serve'" in alone.stdout
    assert hive.run("doctor", "--db").returncode == 0


def test_mail_is_found_by_word_and_by_participant(hive: HiveOnDisk) -> None:
    hive.configure(PEERS)
    hive.start()
    hive.ok("send", "ann", "the build of alpha is broken")
    hive.ok("send", "ben", "the build of beta is fine")
    assert [row["to"] for row in hive.json("search", "BUILD")] == ["ann", "ben"]
    assert [row["to"] for row in hive.json("search", "build", "--inbox", "ben")] == ["ben"]
    assert hive.json("search", "build", "--from", "ann") == []
    assert hive.json("search", "build", "--until", "1h") == []
    assert len(hive.json("search", "bui*", "--since", "1h")) == 2
    assert hive.run("search").returncode == 2


def test_an_inbox_is_followed_and_a_reconnecting_reader_misses_nothing(
    hive: HiveOnDisk,
) -> None:
    hive.configure(PEERS)
    hive.start()
    first = int(hive.ok("send", "ann", "one"))
    hive.ok("send", "ben", "not for ann")
    with following(hive, "ann") as lines:
        assert next(lines)["body"] == "one"
        hive.ok("send", "ann", "two")
        assert next(lines)["body"] == "two"
    hive.ok("send", "ann", "three")
    with following(hive, "ann", "--after", str(first)) as lines:
        assert [next(lines)["body"] for _ in range(2)] == ["two", "three"]
    assert [row["body"] for row in hive.json("inbox", "ann", "--after", str(first))] == [
        "two",
        "three",
    ]


def test_a_cursor_that_is_too_old_is_refused_with_the_oldest(hive: HiveOnDisk) -> None:
    hive.configure(PEERS)
    hive.start()
    hive.ok("shutdown")
    assert hive.daemon is not None
    hive.daemon.wait(20)
    with closing(sqlite3.connect(hive.state_dir / "hive.sqlite")) as connection:
        connection.execute("UPDATE marks SET number = 40 WHERE name LIKE '%_gone'")
        connection.commit()
    hive.start()
    for verb in (["events"], ["inbox", "ann"]):
        for follow in ([], ["--follow"]):
            done = hive.run(*verb, "--after", "7", *follow)
            assert done.returncode == 5, done
            assert "the oldest that is left is 41" in done.stderr
    with BlockingClient(hive.run_dir / "host.sock") as connection:
        answer = raw(connection, b'{"cmd":"events","after":7}\n')
    assert (answer["code"], answer["oldest"]) == ("cursor_too_old", 41)


def test_on_a_full_disk_sends_are_refused_and_the_daemon_survives(
    hive: HiveOnDisk, small_disk: Path
) -> None:
    hive.env["HYPERHIVE_STATE_DIR"] = str(small_disk)
    hive.configure(ON_A_SMALL_DISK)
    hive.start()
    hive.ok("send", "ann", "before")
    ballast = small_disk / "ballast"
    fill(ballast)
    refused = eventually(lambda: refusal(hive, "x" * 60_000), what="a send that is refused")
    assert "disk is full" in refused
    assert "disk is full" in refusal(hive, "small")
    status = hive.run("status")
    assert status.returncode == 0
    assert "nothing is stored since" in status.stderr
    doctor = hive.run("doctor")
    assert doctor.returncode == 1
    assert "the store refuses writes since" in doctor.stdout
    stored = [row["body"][:6] for row in hive.json("inbox", "ann")]
    assert stored[0] == "before"
    ballast.unlink()
    eventually(lambda: not refusal(hive, "after"), what="a send that is stored")
    events = [event["event"] for event in hive.json("events")]
    assert events[-2:] == ["store_failed", "store_recovered"]
    assert hive.run("status").stderr == ""
    unread = [row["body"] for row in hive.json("inbox", "ann", "--unread")]
    assert unread[-1] == "after"
    assert "small" not in unread
    hive.close()


def test_a_daemon_starts_on_a_full_disk_and_refuses_sends_until_there_is_room(
    hive: HiveOnDisk, small_disk: Path
) -> None:
    hive.env["HYPERHIVE_STATE_DIR"] = str(small_disk)
    hive.configure(ON_A_SMALL_DISK)
    hive.start()
    hive.ok("send", "ann", "before")
    hive.interrupt()
    ballast = small_disk / "ballast"
    fill(ballast)
    hive.start()
    assert "nothing can be stored" in hive.output()
    assert "disk is full" in refusal(hive, "refused")
    assert [row["body"] for row in hive.json("inbox", "ann")] == ["before"]
    assert hive.status("ann")["unread"] == 1
    doctor = hive.run("doctor", "--db")
    assert (doctor.returncode, "the store refuses writes since" in doctor.stdout) == (1, True)
    assert "integrity: could not be looked at" in doctor.stdout
    assert "put a backup in its place" not in doctor.stdout, "nothing is known to be damaged"
    ballast.unlink()
    eventually(lambda: not refusal(hive, "after"), what="a send that is stored")
    assert [row["body"] for row in hive.json("inbox", "ann")] == ["before", "after"]
    kinds = [event["event"] for event in hive.json("events", "-n", "3")]
    assert kinds == ["store_failed", "daemon_started", "store_recovered"], "with nothing lost"
    hive.close()


def test_a_daemon_that_would_have_to_write_at_its_start_says_that_the_disk_is_full(
    hive: HiveOnDisk, small_disk: Path
) -> None:
    hive.env["HYPERHIVE_STATE_DIR"] = str(small_disk)
    hive.configure(ON_A_SMALL_DISK)
    hive.start()
    hive.interrupt()
    fill(small_disk / "ballast")
    hive.configure(PEERS + "[peers.newcomer]\n")
    assert hive.launch().wait(20) == 3
    assert "the disk is full; make room" in hive.output()
    hive.close()


def test_a_store_that_cannot_be_opened_ends_the_daemon_with_a_reason(hive: HiveOnDisk) -> None:
    hive.configure(PEERS)
    hive.start()
    hive.interrupt()
    store = hive.state_dir / "hive.sqlite"
    with store.open("r+b") as file:
        file.write(b"\0" * 100)
    assert hive.launch().wait(20) == 3
    last = hive.output().splitlines()[-1]
    assert last.startswith("hive-c0re: the store ")
    assert "is not an SQLite file; move it away or restore a backup" in last


@pytest.fixture
def read_only_disk(hive: HiveOnDisk, small_disk: Path) -> Iterator[Path]:
    """A file system with a hive on it that can only be read."""
    hive.env["HYPERHIVE_STATE_DIR"] = str(small_disk)
    hive.configure(ON_A_SMALL_DISK)
    hive.start()
    hive.interrupt()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    yield small_disk
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_read_only_disk_ends_the_daemon_with_a_reason(
    hive: HiveOnDisk, read_only_disk: Path
) -> None:
    assert hive.launch().wait(20) == 1
    assert f"{read_only_disk}/hive-c0re.lock: Read-only file system" in hive.output()


def fill(ballast: Path) -> None:
    """Leave no room on a file system."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


def refusal(hive: HiveOnDisk, body: str) -> str:
    """Send, and return why that was refused; nothing if it was stored."""
    done = hive.run("send", "ann", "-", stdin=body)
    assert done.returncode in {0, 3}, done
    return done.stderr if done.returncode else ""


class following:  # noqa: N801 - used as a statement
    """Run `inbox --follow` and yield its rows as they come."""

    def __init__(self, hive: HiveOnDisk, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAMS / "hive-c0re", "inbox", *arguments, "--follow", "--json"],
            env=hive.env,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Iterator[dict[str, str]]:
        assert self.process.stdout is not None
        return map(json.loads, self.process.stdout)

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def raw(connection: BlockingClient, line: bytes) -> dict[str, object]:
    """Send a line and return the answer as it is."""
    connection._socket.sendall(line)
    answer: dict[str, object] = json.loads(connection._socket.makefile().readline())
    return answer
