"""Checks the flake of a proposal with Nix, before anything of it is fetched or built.

Nix reads `flake.nix` in its restricted mode: it may read that file and nothing else. The inputs
that it declares, and the lock, are judged by `lock_check`; whether the lock fits them exactly is
for Nix, which has no way to the network.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from hive.errors import BadRequestError, FailedError
from hive.escapes import inline
from hive.flakes.flake_texts import FLAKE, quoted
from hive.flakes.lock_check import check_lock
from hive.flakes.lock_file import LOCK
from hive.flakes.nix_runner import NixRunner
from hive.subprocesses import NO_PROGRAM, Outcome

FLAKE_BYTES = 256 * 1024
"""Bytes of a `flake.nix`."""

_QUOTED = 300
_NOISE = ("warning:", "(use '--show-trace'")

_INPUTS = """\
let
  length = builtins.stringLength DIRECTORY;
  relative = path:
    if builtins.substring 0 length path == DIRECTORY
    then "." + builtins.substring length (builtins.stringLength path) path
    else path;
  clean = value:
    if builtins.isAttrs value then builtins.mapAttrs (_: clean) value
    else if builtins.isPath value then "path:" + relative (toString value)
    else if builtins.isString value || builtins.isBool value || builtins.isInt value then value
    else null;
  flake = import (builtins.toPath FILE);
  arguments = builtins.functionArgs (flake.outputs or (_: { }));
  implied = builtins.mapAttrs (_: _: { }) (removeAttrs arguments [ "self" ]);
in implied // clean (flake.inputs or { })
"""
"""The inputs of a flake; an argument of its outputs that is not declared is an input, too."""


@frozen
class FlakeCheck:
    """Checks flakes of proposals; one at a time.

    Attributes:
        nix: Runs Nix.
        scratch: A directory of its own, which is removed after each check.
    """

    nix: NixRunner
    scratch: Path

    async def check(self, flake: bytes, lock: bytes | None) -> None:
        """Require that a flake can be built of what its lock pins, and of nothing else.

        Args:
            flake: Its `flake.nix`.
            lock: Its `flake.lock`; None without one.

        Raises:
            BadRequestError: It cannot, with everything that is wrong.
            FailedError: Nix cannot be started, or does not end in time.
        """
        try:
            await asyncio.to_thread(self._write, flake, lock)
            inputs = await self._inputs()
            check_lock(lock, inputs)
            if lock is not None and not any(map(_is_path, inputs.values())):
                await self._check_fit()
        finally:
            await asyncio.to_thread(shutil.rmtree, self.scratch, ignore_errors=True)

    def _write(self, flake: bytes, lock: bytes | None) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700, parents=True)
        (self.scratch / FLAKE).write_bytes(flake)
        if lock is not None:
            (self.scratch / LOCK).write_bytes(lock)

    async def _inputs(self) -> dict[str, dict[str, Any]]:
        file = self.scratch / FLAKE
        expression = _INPUTS.replace("FILE", quoted(str(file)))
        expression = expression.replace("DIRECTORY", quoted(str(self.scratch)))
        with _decoding():
            outcome = await self.nix.evaluate(expression, file)
            _require(outcome, "flake.nix cannot be read")
            return msgspec.json.decode(outcome.out, type=dict[str, dict[str, Any]])

    async def _check_fit(self) -> None:
        outcome = await self.nix.check_lock(self.scratch)
        _require(outcome, "flake.lock does not fit flake.nix; run 'nix flake lock' and commit it")


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequestError(f"the inputs of flake.nix are not sets: {error}") from None


def _require(outcome: Outcome, sentence: str) -> None:
    if outcome.ok:
        return
    if outcome.status in {None, NO_PROGRAM}:
        raise FailedError(f"the flake cannot be checked: {outcome}")
    lines = [line for line in outcome.err.splitlines() if not line.startswith(_NOISE)]
    words = inline("; ".join(line.strip() for line in lines if line.strip()))
    raise BadRequestError(f"{sentence}: {words[:_QUOTED]}")


def _is_path(found: dict[str, Any]) -> bool:
    """Return whether Nix would need the other files of the repository."""
    url = str(found.get("url", ""))
    return found.get("type") == "path" or url.startswith(("path:", "."))
