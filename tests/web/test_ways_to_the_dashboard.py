"""The proxies and tunnels of docs/dashboard.md, as they stand there, with the real programs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually
from tests.web.dashboard_process import DashboardProcess, certificate, free_port

PAGE = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text()

NAME = "hive.example.net"

SBIN = os.environ["PATH"] + ":/usr/sbin:/sbin"


def section(title: str) -> str:
    """Return a section of the page."""
    return PAGE.partition(f"\n### {title}\n")[2].partition("\n### ")[0]


def block(text: str, language: str) -> str:
    """Return the first block of a language."""
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def replaced(text: str, words: Mapping[str, str]) -> str:
    """Return a text with what is another one on this machine."""
    for old, new in words.items():
        assert old in text, f"the page has no {old}"
        text = text.replace(old, new)
    return text


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name, path=SBIN)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def running(log: Path, *argv: str, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a program meanwhile."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdout=output,
            stderr=output,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def behind(hive: HiveOnDisk, toml: str, listen: str | None = None) -> Iterator[DashboardProcess]:
    """Serve a hive and its dashboard, with lines of the page in hive.toml."""
    hive.configure(toml + "[peers.bob]\n")
    web = DashboardProcess(hive, listen=listen)
    try:
        hive.start()
        web.start()
        yield web
    finally:
        web.close()


@pytest.fixture(name="hive")
def _hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    yield made
    made.close()


def browser_at(web: DashboardProcess, port: int, made: Path) -> DashboardProcess:
    """Return what asks a proxy for the pages of a dashboard, as if its name led there."""
    proxied = DashboardProcess(web.hive, listen=f"127.0.0.1:{port}")
    proxied.tls = ssl.create_default_context(cafile=str(made))
    proxied.name = f"{NAME}:{port}"
    return proxied


def check_pages(web: DashboardProcess, proxied: DashboardProcess) -> None:
    """Log in through a proxy, and look at a page and a live page."""
    eventually(lambda: is_up(proxied), what="a proxy that answers")
    assert web.hive.ok("web-login").startswith(f"https://{NAME}/login?token=")
    assert proxied.get("/").status == 401
    answer = proxied.post("/login", {"link": proxied.link()}, x_forwarded_for="203.0.113.9")
    assert answer.status == 303, answer.body
    assert "__Host-" in answer.headers["set-cookie"]
    assert proxied.get("/mail", answer.cookie).status == 200
    with proxied.live_page(answer.cookie) as page:
        assert page.readline()
    [row] = web.hive.json("web-sessions")
    assert row["address"] == "127.0.0.2", "that of the browser, neither claimed nor the proxy's"
    assert proxied.post("/login", {"link": "x"}, origin="https://evil.example").status == 403
    assert web.ask("GET", "/login", host="evil.example").status == 403


def is_up(proxied: DashboardProcess) -> bool:
    """Whether a proxy answers."""
    try:
        return proxied.get("/login").status == 200
    except OSError:
        return False


def test_nginx(hive: HiveOnDisk, tmp_path: Path) -> None:
    nginx, port = program("nginx"), free_port()
    made, key = certificate(tmp_path, NAME)
    with behind(hive, block(section("Caddy"), "toml")) as web:
        server = replaced(
            block(section("nginx"), "nginx"),
            {
                "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(made),
                f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
                "127.0.0.1:7000": web.listen,
            },
        )
        (tmp_path / "nginx.conf").write_text(nginx_conf(tmp_path, server))
        argv = (nginx, "-c", str(tmp_path / "nginx.conf"), "-e", "stderr")
        with running(tmp_path / "nginx.log", *argv):
            check_pages(web, browser_at(web, port, made))


def nginx_conf(directory: Path, server: str) -> str:
    """Return what nginx needs around a server to run in a directory."""
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{path}_temp_path {directory}/{path};\n" for path in paths)
    head = f"daemon off;\nmaster_process off;\npid {directory}/nginx.pid;\nevents {{}}\n"
    return f"{head}http {{\naccess_log off;\n{places}{server}}}\n"


def test_caddy(hive: HiveOnDisk, tmp_path: Path) -> None:
    caddy, port = program("caddy"), free_port()
    made, key = certificate(tmp_path, NAME)
    text = section("Caddy")
    with behind(hive, block(text, "toml")) as web:
        site = replaced(
            block(text, "caddy"),
            {
                f"{NAME} {{": f"https://{NAME}:{port} {{\n    bind 127.0.0.1\n    tls {made} {key}",
                "127.0.0.1:7000": web.listen,
            },
        )
        file = tmp_path / "Caddyfile"
        file.write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + site)
        homes = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
        argv = (caddy, "run", "--config", str(file), "--adapter", "caddyfile")
        with running(tmp_path / "caddy.log", *argv, env=homes):
            check_pages(web, browser_at(web, port, made))


@contextmanager
def ssh_server(directory: Path) -> Iterator[str]:
    """Run an ssh server for this user, and yield the words that connect to it."""
    sshd, port = program("sshd"), free_port()
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name]
        subprocess.run(words, check=True, timeout=30)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    config = directory / "sshd_config"
    config.write_text(
        f"HostKey {directory}/host\nAuthorizedKeysFile {directory}/user.pub\nStrictModes no\n"
        "UsePAM no\nPermitRootLogin prohibit-password\nPidFile none\n"
    )
    argv = (sshd, "-D", "-e", "-f", str(config), "-o", f"ListenAddress=127.0.0.1:{port}")
    options = f"-p {port} -i {directory}/user -o StrictHostKeyChecking=no -o BatchMode=yes"
    with running(directory / "sshd.log", *argv):
        eventually(lambda: "listening" in (directory / "sshd.log").read_text(), what="sshd")
        yield f"{options} -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR 127.0.0.1"


@pytest.mark.parametrize("is_unix", [False, True], ids=["tcp", "unix"])
def test_ssh(hive: HiveOnDisk, tmp_path: Path, is_unix: bool) -> None:
    port = free_port()
    lines = re.findall(r"^\$ (ssh .*)$", section("An ssh tunnel"), re.MULTILINE)
    listen = f"unix:{hive.run_dir}/http.sock" if is_unix else None
    toml = block(section("An ssh tunnel"), "toml") if is_unix else ""
    with ssh_server(tmp_path) as there, behind(hive, toml, listen) as web:
        target = web.listen.removeprefix("unix:")
        words = {"-L 7000:": f"-L {port}:", NAME: there}
        words |= {"/run/hyperhive-web/http.sock" if is_unix else "127.0.0.1:7000": target}
        line = shlex.split(replaced(lines[is_unix], words))
        with running(tmp_path / "ssh.log", *line):
            browser = DashboardProcess(hive, listen=f"127.0.0.1:{port}")
            eventually(lambda: is_up(browser), what="a tunnel")
            cookie = browser.log_in()
            assert browser.get("/mail", cookie).status == 200
            with browser.live_page(cookie) as page:
                assert page.readline()
