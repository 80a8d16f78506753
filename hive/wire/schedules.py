"""Requests and rows about schedules: messages that participants get again and again."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import Id, Name, Request, Text
from hive.wire.rows import Row

When = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
"""An interval such as `every 2h`, or a cron expression of five fields."""

Timezone = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""The IANA name of a time zone."""

ScheduleBody = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
"""Text of the message of a schedule; the hive also limits its size in bytes."""


class CreateSchedule(Request, tag="schedule", kw_only=True, frozen=True):
    """Make a schedule; return it as `schedule`.

    Attributes:
        to: The participant that gets the message.
        when: When it gets it.
        body: The text.
        timezone: The time zone of a cron expression; by default that of the host.
        description: Words for people.
    """

    to: Name
    when: When
    body: ScheduleBody
    timezone: Timezone | None = None
    description: Text | None = None


class ListSchedules(Request, tag="schedules", frozen=True):
    """Return all `schedules`, oldest first."""


class CancelSchedule(Request, tag="cancel_schedule", kw_only=True, frozen=True):
    """End a schedule; return it as `schedule`. What it has sent stays."""

    id: Id


ScheduleRequest = CreateSchedule | ListSchedules | CancelSchedule
"""All requests of the operator about schedules."""


class ScheduleRow(Row, frozen=True, kw_only=True):
    """A schedule.

    Attributes:
        id: Its number.
        to: The participant that gets the message.
        when: When it gets it.
        timezone: The time zone of a cron expression.
        body: The text.
        description: The words of who asked.
        requested_by: Who asked.
        approval: The approval that it carries out.
        created_at: When it was made.
        last_at: When its newest message was stored; absent before the first.
        next_at: When the next one is due.
        ended_at: When it ended.
    """

    id: int
    to: str
    when: str
    timezone: str
    body: str
    description: str | None = None
    requested_by: str
    approval: int | None = None
    created_at: str
    last_at: str | None = None
    next_at: str
    ended_at: str | None = None
