"""A hive whose agents are the real Claude Code, and the operator's view of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.client.blocking import call, stream
from tests.support.daemons import HiveOnDisk, eventually
from tests.support.messages_endpoint import PATIENCE, Endpoint


@frozen
class Swarm:
    """A hive on disk whose agents are Claude Code.

    Attributes:
        root: A directory of the test.
    """

    hive: HiveOnDisk
    endpoint: Endpoint
    root: Path

    def configure(self, *agents: str, claude: str = "", more: str = "", **env: str) -> None:
        """Write hive.toml with agents that are all alike, each with a home of its own."""
        tables = (self._agent(f"agents.{name}", name, claude, env) for name in agents)
        self.hive.configure(more + "".join(tables))

    def manager(self, claude: str = "") -> str:
        """Return the part of hive.toml for a manager that is Claude Code, too."""
        return self._agent("manager", "hm1nd", claude, {})

    def start(self) -> None:
        """Start the daemon."""
        self.hive.start()

    def ask(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Make one request as the operator."""
        found: dict[str, Any] = call(self.hive.run_dir / "host.sock", {"cmd": cmd, **fields})
        return found

    def live(self, name: str, count: int) -> list[dict[str, Any]]:
        """Return so many live events of an agent, as the verb `watch` streams them."""
        request = {"cmd": "watch", "name": name}
        with closing(stream(self.hive.run_dir / "host.sock", request)) as responses:
            shown = (row for response in responses for row in response.get("live", ()))
            return list(islice(shown, count))

    def turns(self, name: str) -> list[dict[str, Any]]:
        """Return the records of an agent's turns, oldest first."""
        return sorted(self.ask("turns", name=name)["turns"], key=lambda turn: turn["started_at"])

    def until_turns(self, name: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many turns of an agent are recorded, and return them."""

        def found() -> list[dict[str, Any]] | None:
            turns = self.turns(name)
            return turns if len(turns) >= count else None

        turns: list[dict[str, Any]] = eventually(
            found, within=PATIENCE, what=f"{count} turns of {name}"
        )
        return turns

    def status(self, name: str) -> dict[str, Any]:
        """Return an agent's status row."""
        rows: list[dict[str, Any]] = self.ask("agent_status")["agent_statuses"]
        return next(row for row in rows if row["name"] == name)

    def until_activity(self, name: str, activity: str) -> dict[str, Any]:
        """Wait until an agent says that it does something, and return its status row."""

        def found() -> dict[str, Any] | None:
            row = self.status(name)
            return row if row.get("activity") == activity else None

        row: dict[str, Any] = eventually(found, within=PATIENCE, what=f"{name} {activity}")
        return row

    def send(self, to: str, body: str, **options: Any) -> int:
        """Send as the operator; return the id."""
        return int(self.ask("send", to=to, body=body, **options)["id"])

    def message(self, number: int) -> dict[str, Any]:
        """Return a message as it is now."""
        found: dict[str, Any] = self.ask("trace", id=number)["message"]
        return found

    def until_message(self, number: int, state: str) -> dict[str, Any]:
        """Wait until a message is in a state, and return it."""

        def found() -> dict[str, Any] | None:
            message = self.message(number)
            return message if message["state"] == state else None

        message: dict[str, Any] = eventually(
            found, within=PATIENCE, what=f"message {number} {state}"
        )
        return message

    def operator_mail(self) -> list[dict[str, Any]]:
        """Return the operator's inbox."""
        found: list[dict[str, Any]] = self.ask("inbox")["messages"]
        return found

    def until_operator_mail(self, count: int = 1) -> list[str]:
        """Wait until the operator has so many messages; return their bodies."""

        def found() -> list[str] | None:
            bodies = [each["body"] for each in self.operator_mail()]
            return bodies if len(bodies) >= count else None

        bodies: list[str] = eventually(
            found, within=PATIENCE, what=f"{count} messages for the operator"
        )
        return bodies

    def claude_pid(self, name: str) -> int:
        """Return the process of Claude Code in an agent."""
        parent = self.status(name)["pid"]

        def found() -> int | None:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            return int(children[0]) if children else None

        pid: int = eventually(found, within=PATIENCE, what=f"Claude Code in {name}")
        return pid

    def _agent(self, table: str, name: str, claude: str, more: Mapping[str, str]) -> str:
        home = self.root / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        env = {**self.endpoint.environment(str(home)), **more}
        written = ", ".join(f"{key} = {json.dumps(value)}" for key, value in env.items())
        return (
            f'[{table}]\ndriver = "claude"\nenv = {{ {written} }}\n'
            f'[{table}.restart]\nbase = "50ms"\n'
            f'[{table}.claude]\nmodel = "claude-sonnet-5"\n{claude}\n'
        )
