"""`examples/run`, with a program in the place of hive-c0re that prints where it was to serve."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hive.base_directories import SOCKET_PATH_MAX
from hive.names import MAX_PEER_NAME
from hive.paths import Paths

ROOT = Path(__file__).parents[2]

SERVE = """\
#!/bin/sh
[ "$1" != web ] || { shift; echo "log in once: $*"; exit; }
echo "$HYPERHIVE_RUN_DIR" "$HYPERHIVE_STATE_DIR" "$@"
"""

LONGEST = SOCKET_PATH_MAX - len(f"/.run/agents/{'x' * MAX_PEER_NAME}/mcp.sock")
"""Bytes of a clone's path below which a run directory has room for all names."""


@pytest.fixture(name="short")
def _short() -> Iterator[Path]:
    with TemporaryDirectory(prefix="hive-", dir="/tmp") as name:
        yield Path(name)


def clone(directory: Path) -> Path:
    """Make what the script needs of a clone."""
    for path in ("examples", ".venv/bin"):
        (directory / path).mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "run", directory / "examples")
    program = directory / ".venv" / "bin" / "hive-c0re"
    program.write_text(SERVE)
    program.chmod(0o755)
    return directory


def served(directory: Path, **environ: str) -> tuple[list[str], str]:
    """Run the script; return the words that hive-c0re printed, and what was printed before."""
    done = subprocess.run(
        ["examples/run", ".venv/bin"],
        cwd=directory,
        env={**os.environ, "WEB": "127.0.0.1:7009", **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    before, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return last.split(" "), before


def sourced(directory: Path) -> list[str]:
    """Return what the line that the script prints gives another shell."""
    line = '. .run/env && echo "$HYPERHIVE_RUN_DIR" "$HYPERHIVE_STATE_DIR" && command -v hive-c0re'
    words = ["sh", "-c", line]
    return subprocess.check_output(words, cwd=directory, text=True, timeout=30).splitlines()


def test_all_files_are_below_the_clone_whatever_the_environment_says(short: Path):
    here = clone(short / "clone")
    words, before = served(here, HYPERHIVE_RUN_DIR="/run/other", HYPERHIVE_STATE_DIR="/var/other")
    assert words == [
        *(f"{here}/.run", f"{here}/.run/state"),
        *("serve", "--config", "examples/swarm/hive.toml"),
    ]
    dashboard, another = before.splitlines()
    assert dashboard == ("log in once: --listen 127.0.0.1:7009 --url http://localhost:7009 --link")
    assert another == f"In another terminal, in {here}: . .run/env && hive-c0re status"


def test_another_shell_finds_the_daemon_and_the_verbs(short: Path):
    here = clone(short / "it's")
    served(here)
    assert sourced(here) == [f"{here}/.run {here}/.run/state", f"{here}/.venv/bin/hive-c0re"]


@pytest.mark.parametrize("more", [0, 1])
def test_sockets_of_a_long_path_are_elsewhere(short: Path, more: int):
    here = clone(short / ("x" * (LONGEST + more - len(f"{short}/"))))
    (run_dir, state_dir, *_), before = served(here)
    longest = Paths(Path(run_dir), Path(state_dir)).agent_socket("x" * MAX_PEER_NAME)
    assert len(os.fsencode(longest)) <= SOCKET_PATH_MAX
    assert state_dir == f"{here}/.run/state"
    if not more:
        assert run_dir == f"{here}/.run"
        return
    assert f"is too long a path for sockets: they are in {run_dir}" in before
    assert Path(run_dir).stat().st_mode & 0o777 == 0o700
    assert sourced(here)[0] == f"{run_dir} {state_dir}"
    assert served(here)[0][0] == run_dir, "the agents of a killed daemon have it"
    Path(run_dir).rmdir()


def test_a_long_path_that_lost_its_sockets_gets_others(short: Path):
    here = clone(short / ("x" * 100))
    first = Path(served(here)[0][0])
    first.rmdir()
    (run_dir, *_), _ = served(here)
    assert Path(run_dir).is_dir()
    assert (here / ".run" / "sockets").readlink() == Path(run_dir)
    Path(run_dir).rmdir()
