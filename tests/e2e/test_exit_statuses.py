"""The tables of exit statuses, walked through with real command lines of every program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer

import pytest
from attrs import field, frozen

from hive.errors import BROKEN_PIPE, INTERRUPTED
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually

DOCS = Path(__file__).parents[2] / "docs"
OPERATOR, AGENT, MANAGER = "hive-c0re", "hive-ag3nt", "hive-m1nd"

CONFIG = """
[limits]
body_bytes = 100
inbox_messages = 2
[manager]
exec = ["sleep", "100000"]
[agents.alice]
exec = ["sleep", "100000"]
[agents.quiet]
run = ["true"]
[agents.slow]
exec = ["sh", "-c", "trap '' TERM; while sleep 1; do :; done"]
stop_timeout = 3
[peers.lab]
[peers.full]
"""

LONG = "x" * 200

UNTIL_IT_SERVES = "until {programs}/hive-ag3nt who | grep -q '^lab .* connected'; do :; done"
"""Waits until the harness of the peer is connected."""

ELSEWHERE = {"HYPERHIVE_RUN_DIR": "/nonexistent", "HIVE_SOCKET": "/nonexistent/mcp.sock"}


@frozen
class Case:
    """A command line, and how it ends.

    Attributes:
        program: The program.
        line: Its arguments, as a shell reads them.
        status: Its exit status.
        said: Text that it prints on standard error.
        env: Variables besides those of the hive.
    """

    program: str
    line: str
    status: int
    said: str = ""
    env: dict[str, str] = field(factory=dict, kw_only=True)


CASES = [
    Case(OPERATOR, "list", 0),
    Case(OPERATOR, "--help", 0),
    Case(OPERATOR, "check {config}", 0),
    Case(OPERATOR, "list >/dev/full", 1, "cannot be written"),
    Case(OPERATOR, "backup /nonexistent/copy", 1, "/nonexistent"),
    Case(OPERATOR, "", 2, "Usage"),
    Case(OPERATOR, "lsit", 2, "did you mean 'list'?"),
    Case(OPERATOR, "list --nosuch", 2, "see 'hive-c0re list --help'"),
    Case(OPERATOR, "send '' hi", 2, "it is empty"),
    Case(OPERATOR, "destroy alice", 2, "--yes"),
    Case(OPERATOR, "reload", 2, "hive.toml"),
    Case(OPERATOR, "list", 3, "set HYPERHIVE_RUN_DIR", env=ELSEWHERE),
    Case(OPERATOR, "status nobody", 4, "nobody"),
    Case(OPERATOR, "stop alice nobody", 4, "nobody"),
    Case(OPERATOR, "logs nobody -f", 4, "nobody"),
    Case(OPERATOR, "trace 4242", 4, "4242"),
    Case(OPERATOR, "answer 4242 yes", 4, "4242"),
    Case(OPERATOR, "group list @nosuch", 4, "@nosuch"),
    Case(OPERATOR, "approval 4242", 4, "4242"),
    Case(OPERATOR, "spawn alice -- true", 5, "already"),
    Case(OPERATOR, "register-peer alice", 5, "alice"),
    Case(OPERATOR, "stop lab", 5, "is a peer"),
    Case(OPERATOR, f"send lab {LONG}", 5, "100"),
    Case(OPERATOR, "unregister-peer full", 5, "unread"),
    Case(OPERATOR, "reset-loop alice quiet", 5, "alice"),
    Case(OPERATOR, "rename alice other", 5, "--restart"),
    Case(OPERATOR, "serve --config {config}", 5, "already serves"),
    Case(OPERATOR, "send alice hi --wait=0.1", 6, "no answer came within 0.1 s"),
    Case(OPERATOR, "restart slow --timeout 0.2", 6),
    Case(OPERATOR, "check {broken}", 7, "broken.toml"),
    Case(OPERATOR, "serve --config {broken}", 7, "broken.toml"),
    Case(OPERATOR, "serve --config /nonexistent.toml", 7, "/nonexistent.toml"),
    Case(OPERATOR, "send operator hi; {programs}/hive-c0re attention", 9),
    Case(OPERATOR, "attention pin nobody", 4, "nobody"),
    Case(OPERATOR, "statusline", 0, env=ELSEWHERE),
    Case(OPERATOR, "send quiet hi --wait", 8, "acked it without an answer"),
    Case(AGENT, "whoami", 0),
    Case(AGENT, "recv", 0),
    Case(AGENT, "hook < /dev/null", 0),
    Case(AGENT, f"serve < /dev/null --peer & {UNTIL_IT_SERVES}; kill $!; wait $!", 0),
    Case(AGENT, "whoami >/dev/full", 1, "cannot be written"),
    Case(AGENT, "sedn", 2, "did you mean 'send'?"),
    Case(AGENT, "send", 2, "Missing argument"),
    Case(AGENT, "kill alice", 2, "only the manager may"),
    Case(AGENT, "send '' hi", 2),
    Case(AGENT, "whoami", 3, "cannot connect", env=ELSEWHERE),
    Case(AGENT, "hook < /dev/null", 0, env=ELSEWHERE),
    Case(AGENT, "send nobody hi", 4, "nobody"),
    Case(AGENT, "verify 4242", 4, "4242"),
    Case(AGENT, f"send alice {LONG}", 5, "100"),
    Case(AGENT, "send full hi", 5, "full"),
    Case(AGENT, "nack 4242", 5, "4242"),
    Case(AGENT, "whoami", 6, "too late", env={"HIVE_SOCKET": "{late}"}),
    Case(AGENT, "send alice hi --wait=0.1", 6, "no answer of alice came within 0.1 s"),
    Case(AGENT, "send slow hi --ttl 0.1 --wait", 8, "it has expired"),
    Case(AGENT, "answer 4242 yes", 4, "4242"),
    Case(AGENT, "recv --queue nosuch", 4, "nosuch"),
    Case(AGENT, "serve --driver nosuch", 7, "nosuch"),
    Case(AGENT, "serve -- /nonexistent", 7, "/nonexistent"),
    Case(MANAGER, "logs alice", 0),
    Case(MANAGER, "whoami >/dev/full", 1, "cannot be written"),
    Case(MANAGER, "kill", 2, "Missing argument"),
    Case(MANAGER, "start alice", 3, "cannot connect", env=ELSEWHERE),
    Case(MANAGER, "kill nobody", 4, "nobody"),
    Case(MANAGER, "kill hm1nd", 5, "itself"),
    Case(MANAGER, "kill lab", 5, "is a peer"),
    Case(MANAGER, "kill alice", 5, "only the manager", env={"HIVE_SOCKET": "{lab}"}),
    Case(MANAGER, "start alice", 6, "too late", env={"HIVE_SOCKET": "{late}"}),
    Case(MANAGER, "serve --driver nosuch", 7, "nosuch"),
]


class TooLate(StreamRequestHandler):
    """A daemon for which each request takes too long."""

    def handle(self) -> None:
        for _ in self.rfile:
            error = b'"code":"timed_out","error":"too late"'
            self.wfile.write(b'{"version":1,"ok":false,' + error + b"}\n")


@pytest.fixture(scope="module")
def late(shared: HiveOnDisk) -> Iterator[Path]:
    path = shared.run_dir / "late.sock"
    with UnixStreamServer(str(path), TooLate) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    """A daemon; its hive.toml cannot be used any more, and full's inbox is full."""
    made = HiveOnDisk(tmp_path_factory.mktemp("statuses"))
    made.configure(CONFIG)
    made.start()
    for name in ("alice", "quiet", "slow"):
        made.until_state(name, "running")
    for _ in range(2):
        made.as_participant("lab", "send", "full", "hi")
    (made.root / "broken.toml").write_text("[agents.alice]\nrnu = 1\n")
    (made.root / "good.toml").write_text(CONFIG)
    made.configure("[agents")
    yield made
    made.close()


def environment(hive: HiveOnDisk, program: str) -> dict[str, str]:
    socket = hive.run_dir / "manager.sock" if program == MANAGER else hive.socket_of("lab")
    return {**hive.env, "HIVE_SOCKET": str(socket), "HIVE_STATE": str(hive.root / "lab")}


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.program} {case.line} {case.status}"
)
def test_a_command_line_ends_with_the_status_of_the_table(
    shared: HiveOnDisk, late: Path, case: Case
) -> None:
    places = {
        "config": shared.root / "good.toml",
        "broken": shared.root / "broken.toml",
        "late": late,
        "lab": shared.socket_of("lab"),
        "programs": PROGRAMS,
    }
    own = {name: value.format(**places) for name, value in case.env.items()}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{PROGRAMS}/{case.program} {case.line.format(**places)}"],
        env={**environment(shared, case.program), **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, case.said in done.stderr) == (case.status, True), done
    assert "Traceback" not in done.stderr
    if done.returncode and case.said and "Usage" not in case.said:
        # What `--wait` says while it waits is no error.
        errors = [each for each in done.stderr.splitlines() if not each.startswith("waiting for ")]
        assert errors[0].startswith(f"{case.program}: ")


WAITING = {
    OPERATOR: ("events", "-f"),
    AGENT: ("recv", "--wait", "60"),
    MANAGER: ("recv", "--wait", "60"),
}


def empty_inbox(hive: HiveOnDisk, program: str) -> None:
    """Ack the mail that other tests have left to the participant of a program."""
    reads = [PROGRAMS / program, "recv", "--max", "32"]
    subprocess.run(reads, env=environment(hive, program), stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize("program", WAITING)
def test_ctrl_c_ends_what_waits(shared: HiveOnDisk, program: str) -> None:
    if program != OPERATOR:
        empty_inbox(shared, program)
    # A child of a program in the background would ignore SIGINT.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", PROGRAMS / program, *WAITING[program]],
        env=environment(shared, program),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: has_a_socket(process.pid), what="a request")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (INTERRUPTED, "\n" if program == OPERATOR else "")


def has_a_socket(pid: int) -> bool:
    try:
        links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(link.startswith("socket:") for link in links)


@pytest.mark.parametrize(
    ("program", "line"),
    [
        *((OPERATOR, words) for words in ("list", "events -f", "--help", "list --help", "help")),
        *((AGENT, words) for words in ("whoami", "who", "--help", "recv --help", "--version")),
        *((MANAGER, words) for words in ("whoami", "help kill")),
    ],
)
def test_a_reader_that_is_gone_ends_it(shared: HiveOnDisk, program: str, line: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            [PROGRAMS / program, *line.split()],
            env=environment(shared, program),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=20,
        )
    follower = "hive-c0re: nobody reads this output any more, so it ends\n"
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, follower if "-f" in line else "")


def test_a_recv_whose_reader_is_gone_acks_nothing(shared: HiveOnDisk) -> None:
    empty_inbox(shared, AGENT)
    number = int(shared.ok("send", "lab", "hi"))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            [PROGRAMS / AGENT, "recv"], env=environment(shared, AGENT), stdout=output, check=False
        )
    assert done.returncode == BROKEN_PIPE
    assert f"#{number} " in shared.as_participant("lab", "recv").stdout


@pytest.mark.parametrize(
    ("page", "programs"), [("operating.md", {OPERATOR}), ("harness.md", {AGENT})]
)
def test_each_status_of_a_table_has_a_command_line(page: str, programs: set[str]) -> None:
    section = (DOCS / page).read_text().split("\n## Exit statuses\n")[1].split("\n## ")[0]
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    walked = {case.status for case in CASES if case.program in programs}
    assert listed == walked | {INTERRUPTED, BROKEN_PIPE}
