"""Installs a wheel into a fresh environment, and finds what does not work there.

First without extras: the programs start, and what needs an extra says so in one sentence with the
command that adds it. Then with all extras: nothing says so any more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from hive.shared_files import DOCUMENTATION, SAMPLE
from tests.check_docs import ROOT

HIVES = {
    "process.toml": """\
[agents.alice]
driver = "claude"
[otel]
endpoint = "http://127.0.0.1:4318"
""",
    "containers.toml": """\
runtime = "machinectl"
[containers]
image = "debian"
""",
}
"""Hives whose agent, export and runtime need extras."""

NEEDS: dict[str, tuple[str, ...]] = {
    "claude": ("hive-c0re", "check", "process.toml"),
    "mcp": ("hive-ag3nt", "mcp"),
    "otel": ("hive-c0re", "check", "process.toml"),
    "systemd": ("hive-c0re", "doctor", "--config", "containers.toml"),
    "tui": ("hive-c0re", "top"),
    "web": ("hive-c0re", "web", "--listen", "nowhere", "--url", "http://localhost:1"),
}
"""A command line that needs each extra, and says so without it. A test holds it to the extras of
pyproject.toml."""


@frozen
class Installation:
    """A fresh environment with hyperhive.

    Args:
        directory: Of the environment, which `install` makes, and of what its programs use.
    """

    directory: Path
    environ: dict[str, str] = field(init=False)

    @environ.default
    def _default_environ(self) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        return own | {
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "HYPERHIVE_RUN_DIR": str(self.directory / "run"),
            "HYPERHIVE_STATE_DIR": str(self.directory / "state"),
        }

    def install(self, wheel: Path, extras: Sequence[str] = ()) -> None:
        """Make the environment if there is none, and install a wheel with extras.

        Raises:
            subprocess.CalledProcessError: That failed; its output is on standard error.
        """
        if not (self.directory / "bin").exists():
            subprocess.run([sys.executable, "-m", "venv", self.directory], check=True)
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        words = (*pip, "--constraint", ROOT / "constraints.txt", wanted)
        subprocess.run([self.directory / "bin" / "python", *words], check=True, env=self.environ)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the installation in its directory, and return what it printed."""
        return subprocess.run(
            [self.directory / "bin" / words[0], *words[1:]],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )


def extras_of(root: Path) -> list[str]:
    """Return the extras of a project."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return list(project["optional-dependencies"])


def problems(directory: Path, wheel: Path, version: str) -> Iterator[str]:
    """Install a wheel without and with extras, and yield what is wrong, in sentences.

    Args:
        directory: Where the environment is made.
        wheel: The wheel.
        version: Its version.
    """
    made = Installation(directory)
    made.install(wheel)
    for name, text in HIVES.items():
        (directory / name).write_text(text)
    extras = extras_of(ROOT)
    yield from _programs(made, version)
    yield from (problem for extra in extras for problem in without_extra(made, extra, wheel))
    made.install(wheel, extras)
    yield from (problem for extra in extras for problem in with_extra(made, extra))


def without_extra(made: Installation, extra: str, wheel: Path) -> Iterator[str]:
    """Yield what is wrong with what a program says without an extra."""
    said = made.run(*NEEDS[extra]).stdout
    command = f"{made.directory / 'bin' / 'python'} -m pip install '{wheel}[{extra}]'"
    sentences = [line for line in said.splitlines() if command in line]
    if len(sentences) != 1 or "Traceback" in said:
        yield f"without [{extra}], {' '.join(NEEDS[extra])} does not say {command!r} but: {said}"


def with_extra(made: Installation, extra: str) -> Iterator[str]:
    """Yield what is wrong with what a program says with an extra."""
    said = made.run(*NEEDS[extra]).stdout
    if f"[{extra}]" in said or "Traceback" in said:
        yield f"with [{extra}], {' '.join(NEEDS[extra])} says: {said}"


def _programs(made: Installation, version: str) -> Iterator[str]:
    """Yield what is wrong with the programs, the samples and the completion."""
    for program in ("hive-c0re", "hive-ag3nt", "hive-m1nd"):
        done = made.run(program, "--version")
        if done.returncode or version not in done.stdout:
            yield f"{program} --version ends with {done.returncode} and says: {done.stdout}"
    for sample in (SAMPLE, f"{DOCUMENTATION}/examples/swarm/hive.toml"):
        done = made.run("hive-c0re", "check", sample)
        if done.returncode:
            yield f"hive-c0re check {sample} ends with {done.returncode} and says: {done.stdout}"
