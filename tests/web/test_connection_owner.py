"""Which user is at the other end of a connection, and what that means for a session."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hive.errors import NotAllowedError
from hive.web.connection_owner import UNKNOWN_USER, owner_in, user_of_connection
from hive.web.login_sessions import SessionBook

NOW = 1_700_000_000.0

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000   988        0 11 1
   1: 0100007F:C350 0100007F:1B58 01 00000000:00000000 00:00000000 00000000  1000        0 12 1
   2: 0100007F:C351 0100007F:1B58 05 00000000:00000000 00:00000000 00000000     0        0 0 1
   3: 0100007F:1B58 0100007F:C350 01 00000000:00000000 00:00000000 00000000   988        0 13 1
"""


@pytest.mark.parametrize(
    ("port", "user"), [("C350", 1000), ("C351", UNKNOWN_USER), ("C352", UNKNOWN_USER)]
)
def test_the_user_is_that_of_the_end_of_the_client(port: str, user: int) -> None:
    assert owner_in(TABLE, f"0100007F:{port}", "0100007F:1B58") == user


@contextmanager
def connection(family: int, server: str, client: str) -> Iterator[dict[str, Any]]:
    """Connect, and yield what a request of the connection is given about it."""
    with socket.create_server((server, 0), family=family, dualstack_ipv6=server == "::") as found:
        kind = socket.AF_INET6 if ":" in client else socket.AF_INET
        with socket.socket(kind) as ours:
            ours.connect((client, found.getsockname()[1]))
            theirs, address = found.accept()
            with theirs:
                yield {"client": address[:2], "server": theirs.getsockname()[:2]}


@pytest.mark.parametrize(
    ("family", "server", "client"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_a_real_connection_of_this_machine_is_ours(family: int, server: str, client: str) -> None:
    try:
        with connection(family, server, client) as scope:
            assert user_of_connection(scope) == os.geteuid()
    except OSError as error:
        pytest.skip(f"this machine has no such connections: {error}")


def test_one_that_was_closed_is_nobodys() -> None:
    with connection(socket.AF_INET, "127.0.0.1", "127.0.0.1") as scope:
        pass
    assert user_of_connection(scope) == UNKNOWN_USER


@pytest.mark.parametrize(
    "scope",
    [
        {"client": None, "server": ("/run/http.sock", None)},
        {"client": ("192.0.2.7", 5), "server": ("192.0.2.1", 7000)},
        {"client": ("no address", 0), "server": ("127.0.0.1", 7000)},
        {},
    ],
)
def test_of_another_machine_or_a_proxy_it_is_not_known(scope: dict[str, Any]) -> None:
    assert user_of_connection(scope) is None


def test_behind_a_proxy_of_this_machine_nobody_owns_the_connection() -> None:
    scope = {"client": ("192.0.2.7", 0), "server": ("127.0.0.1", 7000)}
    assert user_of_connection(scope) == UNKNOWN_USER


def test_a_program_of_this_machine_is_known_by_each_of_its_addresses() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.7", 9))  # chooses an address, and sends nothing
        except OSError as error:
            pytest.skip(f"this machine has no address but that of the loopback: {error}")
        own = probe.getsockname()[0]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as ours:
        ours.bind((own, 0))
        ours.connect(server.getsockname())
        theirs, address = server.accept()
        with theirs:
            scope = {"client": address, "server": theirs.getsockname()}
            assert user_of_connection(scope) == os.geteuid()


def test_a_session_belongs_to_the_user_who_uses_it_first() -> None:
    book = SessionBook(86400.0)
    cookie = book.log_in(book.new_link(NOW), "Firefox", NOW)
    session = book.find(cookie, NOW)
    assert session is not None
    for unknown in (None, UNKNOWN_USER):
        assert book.bind(session, unknown).user is None
    bound = book.bind(session, 1000)
    assert (bound.user, book.is_changed) == (1000, True)
    assert book.bind(bound, 1000) == bound == book.find(cookie, NOW)
    for other in (0, 524288, UNKNOWN_USER):
        with pytest.raises(NotAllowedError, match=rf"session 1, .* user 1000, .* user {other};"):
            book.bind(bound, other)
    with pytest.raises(NotAllowedError, match="was sent by another machine"):
        book.bind(bound, None)
    assert book.is_open(bound, NOW), "it is the thief's request that is refused"
