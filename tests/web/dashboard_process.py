"""The dashboard as an operator runs it, and what is asked of it over a connection."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

from attrs import frozen

from tests.support.daemons import PATIENCE, PROGRAMS, HiveOnDisk, eventually

COOKIE = re.compile(r"(?:__Host-)?hive_session=([^;]*)")
TOKEN = re.compile(r'name="token" value="([^"]*)"')


@frozen
class Reply:
    """What the dashboard answered.

    Attributes:
        status: The status.
        headers: The headers, by lower-case name.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def cookie(self) -> str:
        """The cookie that it sets, as a browser sends it back."""
        found = COOKIE.match(self.headers["set-cookie"])
        assert found is not None
        return found[0]


class DashboardProcess:
    """A process of `hive-c0re web`.

    Args:
        hive: The hive whose dashboard it is.
        options: Of `web`, besides where it listens.
        listen: Where it listens; None for a free port.
    """

    def __init__(self, hive: HiveOnDisk, *options: str, listen: str | None = None) -> None:
        self.hive = hive
        self.listen = listen or f"127.0.0.1:{free_port()}"
        self.options = ("--listen", self.listen, *options)
        self.run_dir = Path(f"{hive.run_dir}-web")
        self.state_dir = Path(f"{hive.state_dir}-web")
        self.log = hive.root / "web.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.tls: ssl.SSLContext | None = None
        self.name = "localhost" if self.listen.startswith("unix:") else self.listen
        """What a browser sends as `Host`."""

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it without waiting for it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "hive-c0re", "web", *self.options],
                env=self.hive.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        eventually(self._answers, what="a dashboard that answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output()
        return self.hive.run("web-sessions").returncode == 0

    def output(self) -> str:
        """Return what it printed."""
        return self.log.read_text()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it, and return its status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Leave nothing of it."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    # As a browser

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection."""
        made = http.client.HTTPConnection(self.name, timeout=PATIENCE)
        if self.listen.startswith("unix:"):
            made.sock = socket.socket(socket.AF_UNIX)
            made.sock.connect(self.listen.removeprefix("unix:"))
            return made
        host, _, port = self.listen.rpartition(":")
        browser = ("127.0.0.2", 0)  # another address than that of a proxy
        made.sock = socket.create_connection((host, int(port)), PATIENCE, source_address=browser)
        if self.tls is not None:
            name = self.name.rpartition(":")[0]
            made.sock = self.tls.wrap_socket(made.sock, server_hostname=name)
        return made

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
        """Make a request; `_` in names of headers stands for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect()) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read().decode())

    def get(self, path: str, cookie: str = "", **headers: str) -> Reply:
        """Load a page."""
        return self.ask("GET", path, cookie=cookie, **headers)

    def post(self, path: str, form: Mapping[str, str], cookie: str = "", **headers: str) -> Reply:
        """Send a form, as a page of this server does."""
        scheme = "http" if self.tls is None else "https"
        sent = {"origin": f"{scheme}://{self.name}", "cookie": cookie, **headers}
        return self.ask("POST", path, urlencode(form), **sent)

    def link(self) -> str:
        """Return the token of a new link."""
        return self.hive.ok("web-login").strip().partition("token=")[2]

    def log_in(self, **headers: str) -> str:
        """Log a browser in, and return its cookie."""
        answer = self.post("/login", {"link": self.link()}, **headers)
        assert answer.status == 303, answer.body
        return answer.cookie

    def is_open(self, cookie: str) -> bool:
        """Whether a session is open."""
        return self.get("/no/such/page", cookie).status == 404

    @contextmanager
    def live_page(self, cookie: str) -> Iterator[http.client.HTTPResponse]:
        """Keep a live page open."""
        with closing(self.connect()) as connection:
            connection.request("GET", "/live/overview", headers={"cookie": cookie})
            answer = connection.getresponse()
            assert answer.status == 200
            yield answer


def token_of(page: Reply) -> str:
    """Return the token of the first form of a page."""
    found = TOKEN.search(page.body)
    assert found is not None, page.body
    return found[1]


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(directory: Path, name: str = "hive.test") -> tuple[Path, Path]:
    """Make a certificate of this machine, also by another name, and return it with its key."""
    made, key = directory / "web.crt", directory / "web.key"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = f"-subj /CN={name} -addext subjectAltName=DNS:{name},IP:127.0.0.1"
    subprocess.run(
        [*words.split(), *names.split(), "-keyout", key, "-out", made],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return made, key
