"""Requests of host.sock that lead an operator into an agent: its conversation, or a shell."""

from __future__ import annotations

from hive.wire.base import Name, Request
from hive.wire.rows import Row


class Attach(Request, tag="attach", kw_only=True, frozen=True):
    """Hold an agent's turns for as long as this connection lasts, to go on with its conversation.

    It is a stream. A response has as `waiting` what the agent still works on, each time that it
    changes; the last one has the `entrance`, an `EntranceRow`, once it works on nothing. The hold
    ends with the connection, whatever ends it. A paused agent stays paused.

    Attributes:
        name: The agent.
        now: Cancel the turn that runs, as `cancel_turn` does, in place of waiting for it.
    """

    name: Name
    now: bool = False


class OpenShell(Request, tag="open_shell", kw_only=True, frozen=True):
    """Return as `entrance`, an `EntranceRow`, where to open a shell in an agent; hold nothing."""

    name: Name


class EntranceRow(Row, frozen=True, kw_only=True):
    """Where a program has to be started to run in an agent's surroundings.

    Attributes:
        runtime: Name of the runtime.
        directory: The working directory, as its path is inside.
        machine: Name of the container; absent for a process of this machine.
        pid: Process id of the agent's process, or of the container's leader, on this machine.
        variables: Variables of the agent that are no secret.
        program: The command that is the agent's harness inside, without its arguments; absent for
            an agent without a harness.
        session: Its conversation, as its harness has reported it.
    """

    runtime: str
    directory: str
    machine: str | None = None
    pid: int | None = None
    variables: dict[str, str] | None = None
    program: list[str] | None = None
    session: str | None = None
