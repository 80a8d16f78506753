"""The process of the dashboard: its start, its end, its sockets, and what survives it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from hive.cli import web_verbs
from hive.errors import ExitStatus
from hive.web.bounded_connections import HEAD_SECONDS
from hive.web.login_sessions import SavedSessions, SessionBook
from hive.web.private_file import PrivateFile
from hive.web.web_listener import CONNECTIONS_MAX
from tests.support.daemons import HiveOnDisk, eventually, pids_of
from tests.web.dashboard_process import DashboardProcess, certificate, token_of


@contextmanager
def dashboard_of(
    hive: HiveOnDisk, *options: str, listen: str | None = None
) -> Iterator[DashboardProcess]:
    made = DashboardProcess(hive, *options, listen=listen)
    try:
        made.start()
        yield made
    finally:
        made.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_prints_where_it_is_and_a_link_that_logs_in(served: HiveOnDisk) -> None:
    with dashboard_of(served, "--link") as web:
        where, link = web.output().splitlines()
        assert where == f"the dashboard is at http://{web.listen}/"
        assert link.startswith(f"log in once, within 10 minutes: http://{web.listen}/login?token=")
        token = link.partition("token=")[2]
        assert web.get(f"/login?token={token}").status == 200, "whoever looks at it uses nothing up"
        assert web.post("/login", {"link": token}).status == 303
        assert web.post("/login", {"link": token}).status == 403


def test_its_files_are_for_its_user(dashboard: DashboardProcess) -> None:
    dashboard.log_in()
    assert mode_of(dashboard.run_dir) == 0o751
    assert mode_of(dashboard.run_dir / "web.sock") & 0o007 == 0
    assert mode_of(dashboard.state_dir) == 0o700
    assert mode_of(dashboard.state_dir / "sessions.json") == 0o600


def test_it_waits_for_the_daemon_and_outlives_it(tmp_path: Path) -> None:
    hive = HiveOnDisk(tmp_path)
    web = DashboardProcess(hive)
    try:
        process = web.launch()
        eventually(lambda: "waiting for the daemon" in web.output(), what="a sentence")
        hive.start()
        eventually(lambda: hive.run("web-sessions").returncode == 0, what="the dashboard")
        cookie = web.log_in()
        assert web.is_open(cookie)
        hive.interrupt()
        assert web.get("/approvals", cookie).status == 503
        hive.start()
        assert web.is_open(cookie)
        assert process.poll() is None
    finally:
        web.close()
        hive.close()


def test_with_both_addresses_it_needs_no_daemon_to_start(tmp_path: Path) -> None:
    hive = HiveOnDisk(tmp_path)
    try:
        with dashboard_of(hive, "--url", "http://hive.localhost:7000") as web:
            assert hive.ok("web-login").startswith("http://hive.localhost:7000/login?token=")
            assert web.get("/login", host="hive.localhost:7000").status == 200
    finally:
        hive.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_also_under_an_open_page(
    dashboard: DashboardProcess, number: signal.Signals
) -> None:
    cookie = dashboard.log_in()
    with dashboard.live_page(cookie) as page:
        assert page.readline()
        assert dashboard.end(number) == 0
    assert "Traceback" not in dashboard.output()


def test_sessions_survive_kill_9_and_revoked_ones_stay_so(dashboard: DashboardProcess) -> None:
    kept, revoked = dashboard.log_in(), dashboard.log_in()
    dashboard.hive.ok("web-sessions", "--revoke", "2")
    dashboard.kill()
    dashboard.start()
    assert dashboard.is_open(kept)
    assert not dashboard.is_open(revoked)
    assert [row["id"] for row in dashboard.hive.json("web-sessions")] == [1]
    dashboard.hive.ok("web-sessions", "--all")
    assert not dashboard.is_open(kept)


def test_kill_9_is_noticed_by_nothing_but_the_page(dashboard: DashboardProcess) -> None:
    hive = dashboard.hive
    cookie = dashboard.log_in()
    with dashboard.live_page(cookie) as page:
        assert page.readline()
        before = facts(hive)
        dashboard.kill()
        with suppress(HTTPException, OSError):
            page.read()
    assert facts(hive) == before
    hive.ok("send", "bob", "hello")
    assert "hello" in hive.as_participant("bob", "recv").stdout


def facts(hive: HiveOnDisk) -> object:
    """Return what a process that dies beside the daemon might change."""
    assert hive.daemon is not None
    assert hive.daemon.poll() is None
    row = hive.status("alice")
    return pids_of(hive.state_dir), row["restarts"], row["state"], hive.json("events")


def test_one_directory_has_one_dashboard(dashboard: DashboardProcess) -> None:
    assert dashboard.process is not None
    done = dashboard.hive.run("web", "--listen", "127.0.0.1:7")
    assert done.returncode == ExitStatus.REFUSED
    assert f"another dashboard (pid {dashboard.process.pid}) already runs" in done.stderr
    assert dashboard.get("/login").status == 200


def test_a_unix_socket_is_for_the_group_of_its_user(served: HiveOnDisk) -> None:
    path = served.root / "http.sock"
    url = "https://hive.example.net"
    with dashboard_of(served, "--url", url, listen=f"unix:{path}") as web:
        assert mode_of(path) == 0o660
        assert web.get("/login", host="hive.example.net").status == 200
        web.kill()
        web.start()
        assert web.get("/login").status == 200, "the socket of a killed process is in nobody's way"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--listen", "unix:/tmp/x"], "say by which one browsers reach it"),
        (["--listen", "localhost:7000"], "give an IP address with a port"),
        (["--listen", "127.0.0.1:99999"], "give an IP address with a port"),
        (["--certificate", "/no/such"], "'certificate' and 'key' belong together"),
        (
            ["--certificate", "/no/such", "--key", "/no"],
            "TLS with /no/such and /no is not possible",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    served: HiveOnDisk, options: list[str], sentence: str
) -> None:
    done = served.run("web", *options)
    assert done.returncode in {ExitStatus.USAGE, ExitStatus.FAILED}
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_taken(dashboard: DashboardProcess, tmp_path: Path) -> None:
    other = {"HYPERHIVE_STATE_DIR": str(tmp_path / "other"), "HYPERHIVE_RUN_DIR": str(tmp_path)}
    done = dashboard.hive.run(
        *("web", "--listen", dashboard.listen, "--url", f"http://{dashboard.listen}"), env=other
    )
    assert done.returncode == ExitStatus.FAILED
    assert f"cannot listen on {dashboard.listen}: Address already in use" in done.stderr


def test_without_its_libraries_it_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hive.cli.main import main

    monkeypatch.setattr(web_verbs, "LIBRARIES", ("no_such_library",))
    assert main(["web"]) == ExitStatus.FAILED
    assert "the dashboard needs further libraries: " in capsys.readouterr().err


def test_without_a_dashboard_its_verbs_say_so(tmp_path: Path) -> None:
    hive = HiveOnDisk(tmp_path)
    try:
        for verb in ("web-login", "web-sessions"):
            done = hive.run(verb)
            assert done.returncode == ExitStatus.NO_DAEMON
            assert "the dashboard does not run; 'hive-c0re web' starts it" in done.stderr
    finally:
        hive.close()


def test_a_directory_of_another_user_is_refused(served: HiveOnDisk) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a directory of another user")
    run_dir = Path(f"{served.run_dir}-web")
    run_dir.mkdir()
    os.chown(run_dir, 65534, 65534)
    try:
        done = served.run("web", "--listen", "127.0.0.1:7")
    finally:
        run_dir.rmdir()
    assert done.returncode == ExitStatus.FAILED
    assert "belongs to another user" in done.stderr


def test_a_file_of_sessions_that_cannot_be_read_says_what_to_do(served: HiveOnDisk) -> None:
    state_dir = Path(f"{served.state_dir}-web")
    state_dir.mkdir(parents=True)
    (state_dir / "sessions.json").write_text("{")
    done = served.run("web", "--listen", "127.0.0.1:7")
    assert done.returncode == ExitStatus.FAILED
    assert "sessions.json cannot be read" in done.stderr
    assert "remove it, and all browsers log in again" in done.stderr


def test_under_tls_its_cookie_is_for_this_very_host_alone(
    served: HiveOnDisk, tmp_path: Path
) -> None:
    made, key = certificate(tmp_path)
    tls = ssl.create_default_context(cafile=str(made))
    with dashboard_of(served, "--certificate", str(made), "--key", str(key)) as web:
        web.tls = tls
        assert served.ok("web-login").startswith(f"https://{web.listen}/login?token=")
        answer = web.post("/login", {"link": web.link()})
        words = answer.headers["set-cookie"].split("; ")
        assert words[0].startswith("__Host-hive_session=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(words)
        assert web.is_open(answer.cookie)
        assert not web.is_open(answer.cookie.removeprefix("__Host-"))


@pytest.mark.parametrize(
    ("options", "address"),
    [((), "127.0.0.2"), (("--trusted-proxy", "127.0.0.2"), "203.0.113.7")],
)
def test_only_the_word_of_a_trusted_proxy_counts(
    served: HiveOnDisk, options: tuple[str, ...], address: str
) -> None:
    with dashboard_of(served, *options) as web:
        web.log_in(x_forwarded_for="198.51.100.1, 203.0.113.7", user_agent="Firefox")
        [row] = served.json("web-sessions")
        assert (row["address"], row["browser"]) == (address, "Firefox")
        assert f"from {address}: Firefox" in served.ok("web-sessions")


def test_behind_a_proxy_with_tls_pages_without_it_may_do_nothing(served: HiveOnDisk) -> None:
    with dashboard_of(served, "--url", "https://hive.example.net") as web:
        there = {"host": "hive.example.net"}
        link = {"link": web.link()}
        assert web.post("/login", link, **there, origin="http://hive.example.net").status == 403
        answer = web.post("/login", link, **there, origin="https://hive.example.net")
        assert answer.status == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert web.get("/no/such", answer.cookie, host="evil.example.net").status == 403


def test_a_form_of_another_session_does_nothing(dashboard: DashboardProcess) -> None:
    ours, theirs = dashboard.log_in(), dashboard.log_in()
    token = token_of(dashboard.get("/mail", theirs))
    form = {"name": "bob", "body": "forged", "back": "/"}
    for wrong in ({}, {"token": ""}, {"token": token}):
        assert dashboard.post("/do/send", form | wrong, ours).status == 403
    own = token_of(dashboard.get("/mail", ours))
    for origin in ("null", "http://evil.example", "http://127.0.0.1:1"):
        answer = dashboard.post("/do/send", form | {"token": own}, ours, origin=origin)
        assert answer.status == 403
    assert dashboard.hive.json("inbox", "bob") == []
    assert dashboard.post("/logout", {"token": own}, ours).status == 303
    assert not dashboard.is_open(ours)


def test_what_is_done_through_a_session_is_in_the_audit(dashboard: DashboardProcess) -> None:
    dashboard.log_in()
    cookie = dashboard.log_in()
    token = token_of(dashboard.get("/mail", cookie))
    form = {"name": "alice", "token": token, "back": "/"}
    assert dashboard.post("/do/pause", form, cookie).status == 303
    assert dashboard.hive.status("alice")["paused"]
    [row] = dashboard.hive.json("audit")
    assert (row["verb"], row["name"], row["via"]) == ("set_paused", "alice", "web session 2")


def test_a_session_ends_by_its_time(served: HiveOnDisk) -> None:
    ends = SessionBook(60.0)
    ends.log_in(ends.new_link(0.0), "Firefox", 0.0)
    file = PrivateFile(Path(f"{served.state_dir}-web/sessions.json"), SavedSessions, "")
    file.write(ends.saved())
    with dashboard_of(served):
        assert served.json("web-sessions") == []


def test_connections_that_ask_for_nothing_are_bounded_and_closed(
    dashboard: DashboardProcess,
) -> None:
    host, _, port = dashboard.listen.rpartition(":")
    with ExitStack() as held:
        for at in range(CONNECTIONS_MAX + 100):
            connection = held.enter_context(socket.create_connection((host, int(port)), 10))
            if at % 2:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert dashboard.process is not None
        descriptors = Path(f"/proc/{dashboard.process.pid}/fd")
        eventually(
            lambda: len(list(descriptors.iterdir())) < CONNECTIONS_MAX + 50, what="the bound"
        )
        within = HEAD_SECONDS + 10
        eventually(lambda: responds(dashboard), within=within, what="an answer to a browser")
        assert dashboard.is_open(dashboard.log_in())


def test_connections_that_begin_no_tls_are_bounded(served: HiveOnDisk) -> None:
    made, key = certificate(served.root)
    with dashboard_of(served, "--certificate", str(made), "--key", str(key)) as web:
        host, _, port = web.listen.rpartition(":")
        assert web.process is not None
        descriptors = Path(f"/proc/{web.process.pid}/fd")
        with ExitStack() as held:
            for _ in range(CONNECTIONS_MAX + 100):
                held.enter_context(socket.create_connection((host, int(port)), 10))
            eventually(lambda: len(list(descriptors.iterdir())) > CONNECTIONS_MAX, what="them")
            assert served.json("web-sessions") == []
            assert len(list(descriptors.iterdir())) < CONNECTIONS_MAX + 50


def responds(dashboard: DashboardProcess) -> bool:
    try:
        return dashboard.get("/login").status == 200
    except (OSError, HTTPException):
        return False


def test_a_connection_lasts_for_several_requests(dashboard: DashboardProcess) -> None:
    cookie = dashboard.log_in()
    with closing(dashboard.connect()) as connection:
        for _ in range(3):
            connection.request("GET", "/mail", headers={"cookie": cookie})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)


def test_a_link_of_another_site_leads_a_logged_in_browser_on(dashboard: DashboardProcess) -> None:
    page = {"accept": "text/html", "sec_fetch_site": "cross-site"}
    page |= {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    led = dashboard.get("/agent/alice/?hide=header", **page)
    assert (led.status, led.headers["location"]) == (
        303,
        "/login?next=/agent/alice/%3Fhide%3Dheader",
    )
    shown = dashboard.get(led.headers["location"], **page).body
    assert '<a href="/agent/alice/?hide=header">Go on</a>' in shown
    again = dashboard.get(led.headers["location"], accept="text/html", sec_fetch_site="same-origin")
    assert "Go on" not in again.body
    evil = dashboard.get("/login?next=//evil.example", **page).body
    assert '<a href="/">Go on</a>' in evil


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_also_while_it_waits(tmp_path: Path, number: signal.Signals) -> None:
    hive = HiveOnDisk(tmp_path)
    web = DashboardProcess(hive)
    try:
        web.launch()
        eventually(lambda: "waiting for the daemon" in web.output(), what="a sentence")
        assert web.end(number) in {-number, 128 + number}
        assert "Traceback" not in web.output()
    finally:
        web.close()
        hive.close()
