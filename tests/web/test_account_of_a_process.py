"""Passkeys and keys of the real process, which may be killed at any time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.authenticators import SoftwareAuthenticator
from tests.support.daemons import HiveOnDisk
from tests.web.dashboard_process import DashboardProcess, Reply, free_port, token_of

PORT = free_port()
HOST, URL = f"localhost:{PORT}", f"http://localhost:{PORT}"


@pytest.fixture(name="named")
def _named(served: HiveOnDisk) -> Iterator[DashboardProcess]:
    """A dashboard that is called localhost, since passkeys need a name."""
    made = DashboardProcess(served, "--url", URL, listen=f"127.0.0.1:{PORT}")
    made.start()
    yield made
    made.close()


def ask(named: DashboardProcess, path: str, cookie: str = "", **form: str) -> Reply:
    """Ask as the script of a page does."""
    return named.post(path, form, cookie, host=HOST, origin=URL, accept="application/json")


def log_in(named: DashboardProcess, phone: SoftwareAuthenticator) -> Reply:
    """Log a new browser in by a passkey."""
    options = json.loads(ask(named, "/login/passkey/options").body)
    return ask(named, "/login/passkey", answer=phone.sign(options), next="/mail")


def test_a_passkey_survives_kill_9_and_counts_on(named: DashboardProcess) -> None:
    cookie = named.log_in(host=HOST, origin=URL)
    token = token_of(named.get("/account", cookie, host=HOST))
    phone = SoftwareAuthenticator(URL, "localhost")
    options = json.loads(ask(named, "/account/passkey/options", cookie, token=token).body)
    added = ask(
        named, "/account/passkey/add", cookie, token=token, name="phone", answer=phone.make(options)
    )
    assert json.loads(added.body)["done"] == "phone can log in now"
    named.kill()
    named.start()
    answer = log_in(named, phone)
    assert (answer.status, json.loads(answer.body)) == (200, {"next": "/mail"})
    assert named.is_open(answer.cookie)
    named.kill()
    named.start()
    phone.counter -= 1
    copied = log_in(named, phone)
    assert copied.status == 403
    assert "sign count" in copied.body
    assert "a wrong passkey was tried from 127.0.0." in named.output()


def test_the_key_of_notifications_is_made_once_and_nobody_else_reads_it(
    named: DashboardProcess,
) -> None:
    file = named.state_dir / "push.json"
    assert file.stat().st_mode & 0o777 == 0o600
    key = json.loads(file.read_text())["key"]
    assert "PRIVATE KEY" in key
    cookie = named.log_in(host=HOST, origin=URL)
    page = named.get("/account", cookie, host=HOST)
    assert "PRIVATE" not in page.body
    named.kill()
    named.start()
    assert json.loads(file.read_text())["key"] == key


def test_a_damaged_file_is_named_at_the_start(named: DashboardProcess) -> None:
    named.end()
    (named.state_dir / "passkeys.json").write_text("{")
    assert named.launch().wait(20) != 0
    assert "passkeys.json cannot be read" in named.output()
    assert "no passkey logs in" in named.output()
