"""A hive whose agents live in NixOS containers."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import eventually
from tests.systemd import nixos
from tests.systemd.scenarios.hives import ContainerHive, host

NIXOS_CONTAINER = str(nixos.PROGRAM)

BUILD = 120.0
"""Seconds in which even a busy machine builds two systems and starts them."""

needs_nix = pytest.mark.skipif(shutil.which("nix") is None, reason=str(nixos.missing()))


class NixosHive(ContainerHive):
    """A hive whose agents' containers are built from a flake.

    Args:
        root: Where state, configuration and the flake go.
        toml: What hive.toml has after the settings of the containers.
    """

    def __init__(self, root: Path, toml: str) -> None:
        nixos.install()
        super().__init__(root)
        self.env["PATH"] = f"{nixos.PROGRAM.parent}:{self.env['PATH']}"
        self.flake = nixos.make_flake(root)
        self.config.write_text(nixos.hive_toml(self.flake) + toml)

    def use_nixpkgs(self) -> None:
        """Build all agents without an `agent.nix` alike, and others with a small nixpkgs."""
        nixpkgs = f'[containers]\nnixpkgs = "path:{nixos.make_nixpkgs(self.root, self.flake)}"'
        toml = self.config.read_text().replace("#{name}", "#container")
        self.config.write_text(toml.replace("[containers]", nixpkgs, 1))

    def close(self) -> None:
        super().close()
        nixos.destroy_all()

    def nixos_container(self, *arguments: str) -> str:
        """Run `nixos-container` as the operator does, in a directory that it can write to."""
        return host(
            "env", f"--chdir={self.root}", f"PATH={nixos.PATH}", NIXOS_CONTAINER, *arguments
        )

    def containers(self) -> list[str]:
        """Return the containers that `nixos-container list` names."""
        return self.nixos_container("list").split()

    def answer(self, name: str, body: str = "hello") -> str:
        """Send a participant a message and return its answer."""
        return self.answer_to(self.ask("send", to=name, body=body)["id"])

    def answer_to(self, id_: int) -> str:
        """Wait for the answer to a message, and return it."""

        def found() -> str | None:
            mail: list[dict[str, Any]] = self.ask("inbox")["messages"]
            return next((each["body"] for each in mail if each.get("in_reply_to") == id_), None)

        return str(eventually(found, what=f"an answer to {id_}"))
