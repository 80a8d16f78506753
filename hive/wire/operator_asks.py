"""Requests of the manager that wait for the operator's decision, besides commits.

Each has the number of the `approval` in its response, and a `system` message `approval_resolved`
says how it ended.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import InputPaths, Lifetime, Name, Request, Text
from hive.wire.enums import OnExpiry
from hive.wire.schedules import ScheduleBody, Timezone, When

AgentToml = Annotated[str, msgspec.Meta(max_length=1 << 16)]
"""The text of an `agent.toml`, in characters."""


class AskOperator(Request, kw_only=True, frozen=True):
    """Base class: something is submitted to the operator.

    Attributes:
        description: Words for the operator.
        ttl_seconds: Seconds after which `on_expiry` happens; without it, it waits for ever.
        on_expiry: What happens without a decision in that time.
    """

    description: Text | None = None
    ttl_seconds: Lifetime | None = None
    on_expiry: OnExpiry = OnExpiry.HOLD


class RequestInitConfig(AskOperator, tag="request_init_config", kw_only=True, frozen=True):
    """Ask for a first proposed repository, which the manager may then edit.

    Attributes:
        name: The agent, new or existing.
        template: "claude", "command", or an agent to copy; by default what the agent runs, for a
            new one "command".
    """

    name: Name
    template: Name | None = None


class RequestSchedule(AskOperator, tag="request_schedule", kw_only=True, frozen=True):
    """Ask for a message that comes again and again; the fields are as of `schedule`."""

    to: Name
    when: When
    body: ScheduleBody
    timezone: Timezone | None = None


class RequestAdopt(AskOperator, tag="request_adopt", kw_only=True, frozen=True):
    """Ask for a peer to become an agent; the fields are as of the operator's `adopt`.

    Attributes:
        name: The peer.
        manifest: The text of an `agent.toml`, with absolute paths; without one, that of hive.toml
            or of its container.
        driver: The driver of its harness, if the manifest is read from its container.
        run: The program for each message, in the same case.
        stop: Stop its container, which must be stopped to be taken over.
    """

    name: Name
    manifest: AgentToml | None = None
    driver: Name | None = None
    run: Annotated[list[Text], msgspec.Meta(max_length=1000)] | None = None
    stop: bool = False


class RequestRelease(AskOperator, tag="request_release", kw_only=True, frozen=True):
    """Ask for an agent to become a peer, whose container runs on.

    Attributes:
        name: The agent.
    """

    name: Name


class RequestUpdateInputs(AskOperator, tag="request_update_inputs", kw_only=True, frozen=True):
    """Ask for newer inputs of the NixOS systems.

    They are locked at once, and that lock is what the operator decides about.

    Attributes:
        inputs: Paths of inputs: `nixpkgs`, `agent-NAME/INPUT`; all of them if there are none.
    """

    inputs: InputPaths = msgspec.field(default_factory=list)


OtherAsk = RequestInitConfig | RequestSchedule | RequestAdopt | RequestRelease | RequestUpdateInputs
"""All requests that wait for the operator, besides those for commits."""
