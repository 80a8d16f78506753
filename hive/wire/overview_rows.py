"""The whole hive in one row: the request for it, and the row."""

from __future__ import annotations

from hive.wire.base import Request
from hive.wire.rows import Row, encoded_default
from hive.wire.turn_rows import LimitRow


class ShowOverview(Request, tag="overview", frozen=True):
    """Return the hive in one row, as `overview`."""


class OverviewRow(Row, frozen=True, kw_only=True):
    """The whole hive at one moment.

    Attributes:
        host: Name of the host.
        name: What the hive is called; absent unless `name` of hive.toml is set.
        version: Version of the daemon.
        started_at: Start of the daemon.
        now: Time of this row.
        config: Path of the hive.toml; absent for a daemon without one.
        agents: Number of agents by state, the manager included.
        peers: Number of peers by state.
        sent_per_second: Messages stored per second since the earliest look of the last minute;
            absent on the first look.
        store_bytes: Bytes of the files of the store.
        store_free_bytes: Bytes that may still be written on their file system.
        store_ok: Whether participants can store something.
        store_problem: Why they cannot.
        limits: The accounts that are used up.
        turns_running: Agents that work on messages.
        turns_limit: Most agents that may at once; absent without a limit.
        turns_waiting: Agents that wait for a turn.
        frozen: Number of agents that `estop` has frozen.
        operator_unread: Unread messages of the operator.
        stopping: How far the stop of the daemon is; absent while it serves.
    """

    host: str
    name: str | None = None
    version: str
    started_at: str
    now: str
    config: str | None = None
    agents: dict[str, int] = encoded_default(dict)
    peers: dict[str, int] = encoded_default(dict)
    sent_per_second: float | None = None
    store_bytes: int | None = None
    store_free_bytes: int | None = None
    store_ok: bool
    store_problem: str | None = None
    limits: list[LimitRow] = encoded_default(list)
    turns_running: int = encoded_default(int)
    turns_limit: int | None = None
    turns_waiting: int = encoded_default(int)
    frozen: int = encoded_default(int)
    operator_unread: int = encoded_default(int)
    stopping: str | None = None
