"""A user's own Claude Code as a peer of a hive."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from attrs import define

from tests.support.claude_code import QUIET, claude_program
from tests.support.daemons import PROGRAMS, HiveOnDisk
from tests.support.messages_endpoint import Asked, Endpoint, Reply, hive

SWARM = """
[manager]
run = ["sh", "-c", "cat >/dev/null; echo half way"]
[peers.damocles]
"""


@define(eq=False)
class Damocles:
    """A home with Claude Code in it, and a hive."""

    hive: HiveOnDisk
    endpoint: Endpoint
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of the user's programs."""
        return {
            **self.hive.env,
            **self.endpoint.environment(str(self.home)),
            **QUIET,
            "HIVE_SOCKET": str(self.hive.socket_of("damocles")),
            "HIVE_STATE": str(self.home / "state"),
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": str(self.hive.run_dir),
        }

    def claude(self, *arguments: str) -> str:
        """Run the user's program in its home and return what it prints."""
        done = subprocess.run(
            [claude_program(), *arguments],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=55,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def prompt(self, text: str) -> str:
        return self.claude("--print", "--dangerously-skip-permissions", text)

    def set_hooks(self, settings: str) -> None:
        """Write the user's settings."""
        (self.home / ".claude").mkdir(exist_ok=True)
        (self.home / ".claude" / "settings.json").write_text(settings)


def ack_the_newest(asked: Asked) -> Reply:
    """Ack the last message that the model was shown."""
    [*_, number] = re.findall(r'"id": (\d+)', asked.last)
    return hive("ack", ids=[int(number)])
