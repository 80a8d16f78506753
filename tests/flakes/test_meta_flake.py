"""The generated flakes, with the real Nix where there is one; no network, a stub of nixpkgs."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from hive.errors import FailedError
from hive.flakes.flake_texts import (
    MetaInputs,
    Pin,
    SharedInputs,
    agent_flake,
    meta_flake,
    parse_inputs,
    quoted,
)
from hive.flakes.meta_flake import MetaFlake
from hive.flakes.nix_runner import NixRunner
from hive.git.runner import Git, find_git
from tests.support.nix_fields import NIX, NIXPKGS
from tests.support.repositories import Repository

GIT = find_git()
needs_nix = pytest.mark.skipif(NIX is None, reason="this machine has no nix")


def parsed(text: str, directory: Path) -> str:
    file = directory / "flake.nix"
    file.write_text(text)
    program = shutil.which("nix-instantiate")
    assert program is not None
    done = subprocess.run(
        [program, "--parse", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_nix
@pytest.mark.parametrize("is_flake", [False, True])
@pytest.mark.parametrize("hyperhive", [None, "git+file:///src/hyperhive"])
def test_the_generated_flakes_are_of_the_nix_language(
    tmp_path: Path, is_flake: bool, hyperhive: str | None
) -> None:
    pins = {
        name: Pin("/state/applied/x", "refs/tags/building/1", "0" * 40, is_flake)
        for name in ("alice", "in", "9-lives")
    }
    text = meta_flake(
        MetaInputs(SharedInputs('odd"${x}\\', hyperhive), pins), platform="x86_64-linux"
    )
    shown = parsed(text, tmp_path)
    assert 'odd\\"\\${x}\\\\' in shown
    assert "agent-9-lives" in shown
    parsed(agent_flake('ali"ce'), tmp_path)


@pytest.mark.parametrize("hyperhive", [None, "github:x/hyperhive"])
def test_the_inputs_are_read_as_they_were_written(hyperhive: str | None) -> None:
    inputs = MetaInputs(SharedInputs("flake:nixpkgs", hyperhive), {"alice": Pin("/a", "r", "0")})
    assert parse_inputs(inputs.to_json()) == inputs


def test_a_system_has_the_module_for_agents_or_is_made_a_container() -> None:
    pins = {"alice": Pin("/a", "r", "0" * 40)}
    with_module = meta_flake(MetaInputs(SharedInputs("n", "h"), pins), platform="x86_64-linux")
    without = meta_flake(MetaInputs(SharedInputs("n"), pins), platform="x86_64-linux")
    assert "inputs.hyperhive.nixosModules.agent\n" in with_module
    assert 'inputs.hyperhive.inputs.nixpkgs.follows = "nixpkgs";' in with_module
    assert "isContainer" not in with_module, "the module knows both names of the option"
    assert {"isContainer", "isNspawnContainer"} <= {*re.findall(r'"(is\w+)"', without)}
    assert "hyperhive" not in without


def test_nothing_is_interpolated_in_a_quoted_text() -> None:
    assert quoted('a"b${c}\\') == '"a\\"b\\${c}\\\\"'


class Lab:
    """A meta flake with a stub of nixpkgs, and the repository of alice."""

    def __init__(self, root: Path) -> None:
        assert NIX is not None
        assert GIT is not None
        stub = root / "nixpkgs"
        stub.mkdir()
        (stub / "flake.nix").write_text(NIXPKGS)
        self.alice = Repository(root / "alice")
        state = root / "state"
        self.meta = MetaFlake(
            Git(GIT),
            NixRunner(NIX, GIT, root / "cache"),
            state / "meta",
            SharedInputs(f"path:{stub}"),
        )
        self.lines: list[str] = []

    def pin(self, text: str) -> Pin:
        sha = self.alice.commit({"agent.nix": text})
        self.alice.git("tag", f"building/{sha[:7]}")
        return Pin(str(self.alice.path), f"refs/tags/building/{sha[:7]}", sha)

    async def build(self, text: str) -> Pin:
        pin = await asyncio.to_thread(self.pin, text)
        await self.meta.build("alice", pin, self.lines.append)
        return pin

    async def files(self) -> set[str]:
        return await asyncio.to_thread(
            lambda: {each.name for each in self.meta.path.iterdir()} - {".git"}
        )


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    options = ("build-users-group =", "sandbox = false", "substituters =")
    monkeypatch.setenv("NIX_CONFIG", "\n".join(options))
    return Lab(tmp_path)


@needs_nix
@pytest.mark.skipif(os.geteuid() != 0, reason="this store belongs to root")
@pytest.mark.loops("asyncio")
async def test_the_log_of_the_meta_flake_has_the_successful_deploys(lab: Lab) -> None:
    meta = lab.meta
    token = uuid4().hex  # Nix builds nothing twice
    first = await lab.build(f'{{ version = "{token}"; }}')
    assert any(f"building {token}" in line for line in lab.lines)
    assert await lab.files() == set()  # nothing is changed by a build
    await meta.install()
    await meta.commit("deploy 1")
    await lab.build("{ version = 2; }")
    await meta.install()
    changed = await asyncio.to_thread((meta.path / "flake.nix").read_text)
    await meta.restore()
    assert first.rev in await asyncio.to_thread((meta.path / "flake.nix").read_text)
    assert first.rev not in changed
    await lab.build("{ version = 3; }")
    await meta.install()
    await meta.install()
    await meta.commit("deploy 3")
    await meta.commit("deploy 3")
    assert await meta.log() == ["deploy 3", "deploy 1"]


@needs_nix
@pytest.mark.skipif(os.geteuid() != 0, reason="this store belongs to root")
@pytest.mark.loops("asyncio")
async def test_a_failed_build_has_the_words_of_nix_and_changes_nothing(lab: Lab) -> None:
    with pytest.raises(FailedError, match="no such thing"):
        await lab.build('{ version = 1; fails = "echo no such thing >&2; exit 3;"; }')
    assert await lab.files() == set()
    with pytest.raises(FailedError, match="undefined variable 'vresion'"):
        await lab.build("{ version = vresion; }")
    await lab.meta.restore()
    assert await lab.meta.log() == []
    assert await lab.files() == set()
