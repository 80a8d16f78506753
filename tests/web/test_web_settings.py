"""How the dashboard is served: hive.toml, and the command line over it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hive.errors import BadRequestError
from hive.web.hive_client import HiveClient
from hive.web.serving import find_settings
from hive.web.web_settings import settings_from

ANSWER = {
    "url": "https://hive.example.net",
    "listen": "127.0.0.1:7001",
    "session_seconds": 3600.0,
    "trusted_proxies": ["127.0.0.1"],
    "quiet_hours": "22:00-07:00",
}


def test_what_is_said_nowhere_has_its_default() -> None:
    settings = settings_from({}, {"url": None, "trusted_proxies": []})
    assert (settings.address, settings.is_secure) == ("http://127.0.0.1:7000", False)
    assert settings.config.sessions == 30 * 86400


def test_the_daemon_says_it_and_the_command_line_overrides_it() -> None:
    settings = settings_from(ANSWER, {"listen": "[::1]:7002", "url": None})
    assert settings.config.listen == "[::1]:7002"
    assert settings.config.sessions == 3600.0
    assert settings.config.trusted_proxies == ("127.0.0.1",)
    assert (settings.address, settings.is_secure) == ("https://hive.example.net", True)


@pytest.mark.parametrize(
    ("options", "address", "name"),
    [
        ({"url": "https://hive.example.net:8443"}, "https://hive.example.net:8443", None),
        ({"url": "https://[fd00::7]"}, "https://[fd00::7]", "[fd00::7]"),
        ({"listen": "[::1]:7000"}, "http://[::1]:7000", "[::1]"),
        ({"url": "http://hive.localhost:7000"}, "http://hive.localhost:7000", "hive.localhost"),
    ],
)
def test_a_server_answers_to_the_name_of_its_address(
    options: dict[str, Any], address: str, name: str | None
) -> None:
    settings = settings_from({}, options)
    assert settings.address == address
    assert set(settings.hosts) == {
        *("127.0.0.1", "localhost", "[::1]"),
        name or "hive.example.net",
    }


def test_own_tls() -> None:
    settings = settings_from({}, {"certificate": "web.crt", "key": "web.key"})
    assert settings.address == "https://127.0.0.1:7000"
    assert settings.config.key == Path.cwd() / "web.key"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"listen": "7000"}, "listen: .* give an IP address with a port"),
        ({"url": "http://hive.example.net"}, "url: .* with http: others could read the session"),
        ({"listen": "0.0.0.0:7000"}, "listen: others could read the session"),
        ({"certificate": "/x"}, "belong together"),
        ({"trusted_proxies": ["*"]}, "trusted_proxies"),
    ],
)
def test_what_would_be_unsafe_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        settings_from({}, options)


@pytest.mark.parametrize("listen", ["unix:/run/x", "0.0.0.0:7000", "[::]:7000"])
def test_what_is_no_address_of_a_page_needs_one(listen: str) -> None:
    options = {"listen": listen, "certificate": "/x", "key": "/y"}
    with pytest.raises(BadRequestError, match="say by which one browsers reach it"):
        settings_from({}, options).address  # noqa: B018 - it raises


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"listen": "nowhere"}, "listen: 'nowhere' cannot stand here"),
        ({"url": "http://hive.example.net"}, "url: 'http://hive.example.net' cannot stand here"),
        ({"trusted_proxies": ["nginx"]}, r"trusted_proxies\[0\]: 'nginx' cannot stand here"),
    ],
    ids=lambda value: "",
)
async def test_a_mistake_of_the_command_line_waits_for_no_daemon(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    client = HiveClient(tmp_path / "host.sock")
    with pytest.raises(BadRequestError, match=why):
        await asyncio.wait_for(find_settings(client, options, print), 5)
