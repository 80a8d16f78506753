"""Rows of the dashboard's control socket."""

from __future__ import annotations

import msgspec


class WebSessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is logged in.

    Attributes:
        id: Its number; numbers are not used again.
        browser: What the browser calls itself; not verified.
        address: IP address from which it logged in; empty behind a unix socket.
        began: Time of its login.
        seen: Time of its last request, to the minute.
        ends: Time at which it has to log in again.
    """

    id: int
    browser: str
    address: str
    began: str
    seen: str
    ends: str
