"""Kills of the daemon at any write of the meta flake."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hive.flakes.meta_flake import MetaFlake
from hive.flakes.nix_runner import NixRunner

Write = Callable[..., Awaitable[Any]]

LEFT = {
    "add": ("index.lock",),
    "commit": ("index.lock", "HEAD.lock", "refs/heads/main.lock"),
    "read-tree": ("index.lock",),
}
"""The locks that a git leaves when it is killed."""


class KilledError(BaseException):
    """The daemon is killed here."""


class KillPoint:
    """Calls `on_kill` in place of one write of the meta flake: a run of Nix or git, or a rename.

    Attributes:
        at: How many writes are done before it; they count from `arm` on.
        log: The writes since then, in order.
    """

    def __init__(self, patch: pytest.MonkeyPatch, at: int, on_kill: Callable[[], Any]) -> None:
        self.at = at
        self.log: list[str] = []
        self.armed = False
        self._on_kill = on_kill
        self.wrap(patch, MetaFlake, "_run_git", lambda words: words[0])
        self.wrap(patch, MetaFlake, "_move", lambda words: f"move {words[0].name}")
        self.wrap(patch, NixRunner, "_watch", lambda words: f"nix {words[0][0]}")

    def wrap(
        self,
        patch: pytest.MonkeyPatch,
        owner: type,
        name: str,
        label: Callable[[tuple[Any, ...]], str],
    ) -> None:
        """Count the calls of a method as writes."""
        write: Write = getattr(owner, name)
        point = self

        async def counted(self: Any, *words: Any, **options: Any) -> Any:
            if not point.armed:
                return await write(self, *words, **options)
            point.log.append(label(words))
            if len(point.log) - 1 == point.at:
                if isinstance(self, MetaFlake):
                    for left in LEFT.get(words[0], ()) if name == "_run_git" else ():
                        (self.path / ".git" / left).touch()
                await point._killed()
            return await write(self, *words, **options)

        patch.setattr(owner, name, counted)

    async def _killed(self) -> None:
        result = self._on_kill()
        if result is not None:
            await result

    def arm(self) -> None:
        """Count from here."""
        self.armed = True
