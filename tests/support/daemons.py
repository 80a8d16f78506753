"""The real programs, run as an operator runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hive.client import blocking
from hive.errors import HiveError

PROGRAMS = Path(sys.executable).parent
"""Directory of the console scripts."""

POLL = 0.02
PATIENCE = 20.0


def eventually(
    condition: Callable[[], Any], *, within: float = PATIENCE, what: str = "the condition"
) -> Any:
    """Wait until `condition` returns something true, and return that.

    The waiting is on another program; there is no event to wait for and no clock to turn.
    """
    pause = threading.Event()
    for _ in range(int(within / POLL)):
        if found := condition():
            return found
        pause.wait(POLL)
    raise AssertionError(f"{what} did not come true within {within:g} s")


class HiveOnDisk:
    """One hive's directories and the programs run on them.

    Args:
        root: Where state and configuration go; the run directory is elsewhere, since the paths of
            sockets must be short.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state_dir = root / "state"
        self.run_dir = Path(tempfile.mkdtemp(prefix="hive-"))
        self.config = root / "hive.toml"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HIVE_")},
            "HYPERHIVE_RUN_DIR": str(self.run_dir),
            "HYPERHIVE_STATE_DIR": str(self.state_dir),
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        }
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = root / "daemon.log"
        self.wrapper: tuple[str, ...] = ()
        """Program and arguments that start the daemon, whose command line follows."""

    def configure(self, toml: str) -> None:
        """Write hive.toml."""
        self.config.write_text(toml)

    def start(self, *options: str, output: int | None = None) -> subprocess.Popen[bytes]:
        """Start the daemon and wait until it answers; see `launch`."""
        self.launch(*options, output=output)
        eventually(self.answers, what="a daemon that answers")
        assert self.daemon is not None
        return self.daemon

    def launch(self, *options: str, output: int | None = None) -> subprocess.Popen[bytes]:
        """Start the daemon without waiting for it.

        Args:
            options: Options of `serve`.
            output: Descriptor for its standard output and error; None for `log`.
        """
        config = ["--config", str(self.config)] if self.config.exists() else []
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.wrapper, PROGRAMS / "hive-c0re", "serve", *config, *options],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=log if output is None else output,
                start_new_session=True,
            )
        return self.daemon

    def answers(self) -> bool:
        """Whether the daemon answers; fails at once when it has ended instead."""
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(
                f"the daemon ended with {self.daemon.returncode}:\n{self.output()}"
            )
        try:
            self.ask("list")
        except HiveError:
            return False
        return True

    def ask(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Send a request over the socket, which is faster than a program when it is repeated."""
        return blocking.call(self.run_dir / "host.sock", {"cmd": cmd, **fields})

    def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def interrupt(self) -> int:
        """Do what Ctrl-C does and wait for the end."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGINT)
        return self.daemon.wait(PATIENCE)

    def run(
        self,
        *arguments: str,
        program: str = "hive-c0re",
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the hive and return how it ended and what it printed."""
        return subprocess.run(
            [PROGRAMS / program, *arguments],
            env={**self.env, **(env or {})},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run a program that must succeed and return what it printed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json and return what it printed, decoded."""
        return json.loads(self.ok(*arguments, "--json"))

    def status(self, name: str) -> dict[str, Any]:
        """Return the status row of one participant."""
        return next(row for row in self.rows() if row["name"] == name)

    def rows(self) -> list[dict[str, Any]]:
        """Return the status rows of all participants."""
        rows: list[dict[str, Any]] = self.ask("agent_status")["agent_statuses"]
        return rows

    def state(self, name: str) -> str:
        """Return a participant's state in one word."""
        return str(self.status(name)["state"])

    def until_state(self, name: str, state: str, within: float = PATIENCE) -> dict[str, Any]:
        """Wait until a participant is in a state and return its row."""

        found: dict[str, Any] = {}

        def is_there() -> bool:
            # One whose spawn was approved a moment ago is not there yet.
            found.update(next((row for row in self.rows() if row["name"] == name), {}))
            return found.get("state") == state

        try:
            eventually(is_there, within=within, what=f"{name} {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found}\n{self.output()[-4000:]}") from None
        return found

    def socket_of(self, name: str) -> Path:
        """Return the path of a participant's socket."""
        return self.run_dir / "agents" / name / "mcp.sock"

    def as_participant(self, name: str, *arguments: str, **options: Any) -> Any:
        """Run `hive-ag3nt` at a participant's socket."""
        env = {"HIVE_SOCKET": str(self.socket_of(name)), **options.pop("env", {})}
        return self.run(*arguments, program="hive-ag3nt", env=env, **options)

    def output(self) -> str:
        """Return what the daemon printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def close(self) -> None:
        """End everything that was started here, agents included."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        end_agents(self.state_dir)
        shutil.rmtree(self.run_dir, ignore_errors=True)


def pids_of(state_dir: Path) -> dict[str, int]:
    """Return the pids of all living processes that were started as agents of a hive, by agent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (agent := _agent_of(entry, state_dir)):
            found[agent] = int(entry.name)
    return found


def end_agents(state_dir: Path) -> None:
    """Kill the process groups of a hive's agents that outlived their daemon."""
    for pid in pids_of(state_dir).values():
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _agent_of(entry: Path, state_dir: Path) -> str | None:
    """Return the agent whose group leader this process is, from its environment."""
    try:
        environ = (entry / "environ").read_bytes().split(b"\0")
        leads = os.getpgid(int(entry.name)) == int(entry.name)
    except OSError:
        return None
    values = dict(item.split(b"=", 1) for item in environ if b"=" in item)
    inside = values.get(b"HIVE_STATE", b"").startswith(os.fsencode(state_dir))
    return values[b"HIVE_NAME"].decode() if inside and leads else None
