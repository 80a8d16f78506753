"""The options that `serve` passes to the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import frozen

from hive.errors import ConfigError, ExitStatus
from hive.paths import Paths


@frozen
class ServeOptions:
    config: Path | None
    paths: Paths
    keep_agents: bool
    view: bool


@pytest.fixture(name="served")
def _served(monkeypatch) -> list[Any]:
    """Replace the daemon's entry point and return the options that it receives."""
    given: list[Any] = []

    def run(options: ServeOptions) -> int:
        given.append(options)
        if options.config == Path("broken.toml"):
            raise ConfigError("broken.toml:3: no such key")
        return 3 if options.keep_agents else 0

    daemon = ModuleType("hive.daemon.serve")
    daemon.ServeOptions, daemon.run = ServeOptions, run
    monkeypatch.setitem(sys.modules, "hive.daemon.serve", daemon)
    return given


def test_the_default_directories(hive, served, run_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("HYPERHIVE_STATE_DIR", str(tmp_path / "state"))

    assert hive("serve").status == 0

    (options,) = served
    assert (options.config, options.keep_agents) == (None, False)
    assert options.paths.host_socket == run_dir / "host.sock"
    assert options.paths.state_dir == tmp_path / "state"


def test_given_directories_are_made_absolute(hive, served, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    hive("serve", "--config", "hive.toml", "--run-dir", "run", "--state-dir", "/var/x")

    (options,) = served
    assert options.config == Path("hive.toml")
    assert options.paths.run_dir == tmp_path / "run"
    assert options.paths.state_dir == Path("/var/x")


@pytest.mark.parametrize(
    ("args", "terminal", "view"),
    [([], True, True), (["--no-status"], True, False), (["--status"], False, False)],
)
def test_the_view_is_for_terminals(hive, served, monkeypatch, args, terminal, view):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")

    hive("serve", *args)

    assert served[0].view is view


def test_the_exit_status_is_that_of_the_daemon(hive, served):
    assert hive("serve", "--keep-agents").status == ExitStatus.NO_DAEMON


def test_each_problem_of_a_configuration_has_a_line(hive, run_dir):
    path = run_dir / "hive.toml"
    path.write_text('colour = 1\n"a\\u001bb" = 2\n')

    ran = hive("serve", "--config", str(path))

    assert ran.status == ExitStatus.CONFIG
    first, *further = ran.err.splitlines()
    assert first == f"hive-c0re: {path} has 2 problems:"
    assert further[0].startswith(f"  {path}:1: colour: there is no such key")
    assert further[1].startswith(f"  {path}:2: a\\x1bb: there is no such key")
    assert len(further) == 2


def test_a_broken_configuration(hive, served):
    ran = hive("serve", "--config", "broken.toml")

    assert ran.status == ExitStatus.CONFIG
    assert ran.err == "hive-c0re: broken.toml:3: no such key\n"


def test_an_unreadable_configuration_is_a_configuration_error(hive, served, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("broken.toml").touch()
    monkeypatch.setattr(os, "access", lambda *given, **named: False)

    assert hive("serve", "--config", "broken.toml").status == ExitStatus.CONFIG
