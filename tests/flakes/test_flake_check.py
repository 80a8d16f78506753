"""Flakes of proposals, judged with the real Nix; nothing is fetched."""

import json
from pathlib import Path

import pytest

from hive.errors import BadRequestError, FailedError
from hive.flakes.flake_check import FlakeCheck
from hive.flakes.nix_runner import NixRunner, find_nix, update_words, version_in
from hive.git.runner import find_git
from tests.flakes.test_lock_check import HASH, REV

NIX, GIT = find_nix(), find_git()
pytestmark = pytest.mark.loops("asyncio")
needs_nix = pytest.mark.skipif(NIX is None or GIT is None, reason="this machine has no nix")

FLAKE = """{
  inputs.tools.url = "git+https://example.org/tools";
  outputs = { self, tools }: { };
}
"""
LOCK = json.dumps(
    {
        "nodes": {
            "root": {"inputs": {"tools": "tools"}},
            "tools": {
                "locked": {
                    "type": "git",
                    "url": "https://example.org/tools",
                    "ref": "main",
                    "rev": REV,
                    "narHash": HASH,
                    "lastModified": 1,
                    "revCount": 1,
                },
                "original": {"type": "git", "url": "https://example.org/tools"},
            },
        },
        "root": "root",
        "version": 7,
    }
)


@pytest.fixture
def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlakeCheck:
    options = ("build-users-group =", "sandbox = false", "substituters =")
    monkeypatch.setenv("NIX_CONFIG", "\n".join(options))
    assert NIX is not None
    assert GIT is not None
    return FlakeCheck(NixRunner(NIX, GIT, tmp_path / "cache"), tmp_path / "check")


async def check(checker: FlakeCheck, flake: str, lock: str | None = None) -> None:
    await checker.check(flake.encode(), None if lock is None else lock.encode())


@needs_nix
async def test_a_flake_that_fits_its_lock_is_accepted_without_a_network(
    checker: FlakeCheck,
) -> None:
    await check(checker, FLAKE, LOCK)
    await check(checker, "{ outputs = { self }: { }; }")
    await check(checker, "{ outputs = inputs: { }; }")
    assert not checker.scratch.exists()


@needs_nix
@pytest.mark.parametrize(
    ("flake", "lock", "sentence"),
    [
        (FLAKE, None, r"has inputs \(tools\) and there is no flake.lock"),
        (FLAKE, "{", "flake.lock is no lock file"),
        (FLAKE.replace("/tools", "/others"), LOCK, "flake.lock does not fit flake.nix"),
        (FLAKE.replace("self, tools", "self, tools, nixpkgs"), LOCK, "the input nixpkgs of"),
        (FLAKE.replace("git+https://example.org", "path:/etc"), LOCK, "outside the repository"),
        (FLAKE.replace("git+https", "git+file"), LOCK, "could read this machine"),
        (FLAKE.replace('"git+https://example.org/tools"', "/etc"), LOCK, "the path '/etc' outside"),
        (
            FLAKE.replace('"git+https://example.org/tools"', "builtins.readFile /etc/hostname"),
            *(LOCK, "forbidden in restricted mode"),
        ),
        (
            FLAKE.replace('"git+https://example.org/tools"', 'fetchTarball "file:///etc/x.tar"'),
            *(LOCK, "flake.nix cannot be read"),
        ),
        ("{ inputs = (x: x x) (x: x x); outputs = _: { }; }", None, "flake.nix cannot be read"),
        ("{ inputs = 3; outputs = _: { }; }", None, "flake.nix cannot be read"),
        ("{ inputs.a = 3; outputs = _: { }; }", None, "the inputs of flake.nix are not sets"),
        ("{ nope", None, "syntax error"),
        ("\0", None, "flake.nix cannot be read"),
    ],
)
async def test_a_flake_that_cannot_be_built_of_its_lock_is_refused(
    checker: FlakeCheck, flake: str, lock: str | None, sentence: str
) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        await check(checker, flake, lock)
    assert not checker.scratch.exists()


@needs_nix
async def test_a_path_of_the_repository_is_allowed_and_none_beside_it(checker: FlakeCheck) -> None:
    flake = "{ inputs.a.url = ./sub; outputs = { self, a }: { }; }"
    with pytest.raises(BadRequestError, match=r"^flake.nix has inputs \(a\) and there is no"):
        await check(checker, flake)
    with pytest.raises(BadRequestError, match="outside the repository"):
        await check(checker, flake.replace("./sub", "../sub"))


async def test_without_a_nix_that_starts_the_flake_is_not_to_blame(tmp_path: Path) -> None:
    runner = NixRunner(tmp_path / "nix", tmp_path / "git", tmp_path / "cache")
    with pytest.raises(FailedError, match="cannot be checked"):
        await check(FlakeCheck(runner, tmp_path / "check"), FLAKE, LOCK)


async def test_inputs_are_updated_in_the_words_of_each_version_of_nix() -> None:
    inputs = ("nixpkgs", "agent-alice/tools")
    assert update_words((2, 8), "path:/m", inputs) == (
        *("flake", "lock", "path:/m", "--update-input", "nixpkgs"),
        *("--update-input", "agent-alice/tools"),
    )
    assert update_words((2, 18), "path:/m", inputs)[1] == "lock"
    new = ("flake", "update", *inputs, "--flake", "path:/m")
    assert update_words((2, 19), "path:/m", inputs) == new
    assert update_words(version_in("nix (Lix, like Nix) 2.91.1\n"), "path:/m", inputs) == new


@pytest.mark.parametrize(
    ("text", "version"),
    [("nix (Nix) 2.8.0\n", (2, 8)), ("nix (Nix) 2.24.10", (2, 24)), ("nix 3.0pre1", (3, 0))],
)
async def test_the_version_of_nix_is_read(text: str, version: tuple[int, int]) -> None:
    assert version_in(text) == version


async def test_a_nix_without_a_version_is_an_error() -> None:
    with pytest.raises(FailedError, match="printed no version: 'what'"):
        version_in("what")
