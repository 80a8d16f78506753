"""Requests of the operator's socket for the dashboard, and about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from hive.wire.base import Request
from hive.wire.rows import Row, encoded_default

VIA_MAX = 100
"""Characters of the words that say for whom a process asks."""


class Urls(Request, tag="urls", frozen=True):
    """Return the addresses of the dashboard, as `urls`, if `url` of [web] is set.

    These are `dashboard`, the first page; and, as version 1 has them, `home`, the same, and
    `domain`, its host.
    """


class ActFor(Request, tag="act_for", kw_only=True, frozen=True):
    """Say for whom this connection asks from now on: a session of the dashboard.

    The audit has that with each thing that the connection does. It is what the client says, and
    gives it no right; the socket, the user and the process are what the daemon knows.
    """

    via: Annotated[str, msgspec.Meta(min_length=1, max_length=VIA_MAX)]


class ShowWebSettings(Request, tag="web_settings", frozen=True):
    """Return a `WebSettingsRow` as `web`: how hive.toml has the dashboard reached and served."""


class WebSettingsRow(Row, frozen=True, kw_only=True):
    """How the dashboard is reached and served.

    Attributes:
        url: The address by which browsers reach it, without a path.
        listen: `ADDRESS:PORT`, or `unix:PATH`.
        session_seconds: Time until a browser has to log in again.
        certificate: File with its certificate.
        key: File with the key.
        trusted_proxies: IP addresses of proxies whose word about the client's address counts.
        quiet_hours: Hours of the day in which it notifies no device: `22:00-07:00`.
    """

    url: str | None = None
    listen: str
    session_seconds: float
    certificate: str | None = None
    key: str | None = None
    trusted_proxies: Sequence[str] = encoded_default(list)
    quiet_hours: str | None = None


WebRequest = Urls | ActFor | ShowWebSettings
"""All requests of this module."""
