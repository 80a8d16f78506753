"""The hold on an agent's turns while its operator is attached: a connection, kept over restarts.

The daemon holds the turns for as long as the connection lasts. If the daemon ends meanwhile, the
next one knows nothing of it, so the hold is asked for again as soon as it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

from hive.base_directories import host_socket
from hive.cli import output
from hive.cli.requests import QUERY
from hive.client.blocking import BlockingClient
from hive.errors import HiveError, UnavailableError

RETRY_SECONDS = 0.5
"""Seconds between two attempts to reach the next daemon."""

Row = Mapping[str, Any]


class Attachment:
    """A hold on the turns of an agent, for as long as this object is open.

    Args:
        name: The agent.
        now: Whether to cancel the turn that runs.

    Attributes:
        losses: How often the daemon went away.
    """

    def __init__(self, name: str, *, now: bool) -> None:
        self._name = name
        self._now = now
        self._client: BlockingClient | None = None
        self._closing = Event()
        self._thread: Thread | None = None
        self.losses = 0

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        if self._client is not None:
            self._client.close()

    @property
    def daemon_pid(self) -> int:
        """Process id of the daemon."""
        assert self._client is not None
        return self._client.server_pid

    def begin(self, waiting: Callable[[str], object]) -> Row:
        """Hold the turns, wait until the agent works on nothing, and return the entrance to it.

        Args:
            waiting: Called with what it still works on, each time that it changes.

        Raises:
            HiveError: The daemon refuses, or has gone.
        """
        client = self._client = BlockingClient(host_socket(), QUERY, warn=output.complain)
        client.call({"cmd": "attach", "name": self._name, "now": self._now}, QUERY)
        for response in client.further():
            if "entrance" in response:
                entrance: Row = response["entrance"]
                return entrance
            waiting(response.get("waiting", ""))
        raise UnavailableError("hive-c0re has closed the connection; it is probably shutting down")

    def keep(self) -> None:
        """Keep the hold from now on, on a thread, over restarts of the daemon."""
        self._thread = Thread(target=self._keep, name="attachment", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._closing.is_set():
            if self._is_lost():
                self.losses += self._client is not None
                self._again()

    def _is_lost(self) -> bool:
        """Wait a moment; return whether there is no connection to a daemon."""
        if self._client is None:
            self._closing.wait(RETRY_SECONDS)
            return True
        return not self._client.stays_open(RETRY_SECONDS)

    def _again(self) -> None:
        """Ask the next daemon for the hold, if there is one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        try:
            self._client = BlockingClient(host_socket(), QUERY, warn=lambda _: None)
            self._client.call({"cmd": "attach", "name": self._name}, QUERY)
        except HiveError:
            if self._client is not None:
                self._client.close()
            self._client = None
