"""What the dashboard asks host.sock for, and what hive.toml makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from hive.config import HiveConfig, WebConfig
from hive.config.model import QuietHours
from hive.daemon.hive import Hive
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.loops("asyncio")

CONFIG = swarm("alice", peers=["damocles"], manager=True)
URL = "https://hive.example.net:8443"


@asynccontextmanager
async def opened(site: Site, web: WebConfig | None = None) -> AsyncIterator[tuple[Hive, Line]]:
    config = CONFIG if web is None else attrs.evolve(CONFIG, web=web)
    async with site.real(ScriptedRuntime(), config) as hive:
        await hive.until_state("alice", "running")
        async with connected(hive.paths.host_socket) as host:
            yield hive, host


async def urls(host: Line) -> dict[str, Any]:
    rows = (await host.ok("agent_status"))["agent_statuses"]
    return {row["name"]: row.get("url") for row in rows}


async def test_without_an_address_no_row_has_one(site: Site) -> None:
    async with opened(site) as (_, host):
        assert (await host.ok("urls"))["urls"] == {}
        assert await urls(host) == {"hm1nd": None, "alice": None, "damocles": None}


async def test_the_address_of_each_page(site: Site) -> None:
    async with opened(site, WebConfig(url=URL)) as (_, host):
        assert (await host.ok("urls"))["urls"] == {
            "domain": "hive.example.net",
            "home": f"{URL}/",
            "dashboard": f"{URL}/",
        }
        assert await urls(host) == {
            "hm1nd": f"{URL}/agent/hm1nd/",
            "alice": f"{URL}/agent/alice/",
            "damocles": f"{URL}/agent/damocles/",
        }


async def test_a_subscriber_gets_it_too(site: Site) -> None:
    async with opened(site, WebConfig(url=URL)) as (hive, host):
        await host.ok("subscribe_agent_status")
        await hive.parts.lifecycle.set_paused("alice", paused=True)
        rows = (await host.read())["agent_statuses"]  # others may change meanwhile
        while "alice" not in {row["name"] for row in rows}:
            rows = (await host.read())["agent_statuses"]
        assert {row["url"] for row in rows} == {f"{URL}/agent/{row['name']}/" for row in rows}


async def test_the_defaults_of_the_settings(site: Site) -> None:
    async with opened(site) as (_, host):
        assert (await host.ok("web_settings"))["web"] == {
            "listen": "127.0.0.1:7000",
            "session_seconds": 30 * 86400.0,
            "trusted_proxies": [],
        }


async def test_all_settings(site: Site) -> None:
    web = WebConfig(
        url=URL,
        listen="unix:/run/web.sock",
        sessions=60.0,
        certificate=Path("/tls/chain.pem"),
        key=Path("/tls/key.pem"),
        trusted_proxies=("::1",),
        quiet_hours=QuietHours(22 * 60, 7 * 60),
    )
    async with opened(site, web) as (_, host):
        assert (await host.ok("web_settings"))["web"] == {
            "url": URL,
            "listen": "unix:/run/web.sock",
            "session_seconds": 60.0,
            "certificate": "/tls/chain.pem",
            "key": "/tls/key.pem",
            "trusted_proxies": ["::1"],
            "quiet_hours": "22:00-07:00",
        }


async def test_a_reload_changes_addresses_and_settings_at_once(site: Site) -> None:
    file: list[HiveConfig] = [CONFIG]
    hive = Hive(
        site.state_dir,
        run_dir=site.run_dir,
        runtime=ScriptedRuntime(),
        config=CONFIG,
        environ={},
        read_config=lambda: file[0],
    )
    async with hive, connected(hive.paths.host_socket) as host:
        await hive.until_state("alice", "running")
        file[0] = attrs.evolve(CONFIG, web=WebConfig(url=URL, sessions=60.0))
        (change,) = (await host.ok("reload"))["changes"]
        assert (change["table"], change["effect"]) == ("web", "at the dashboard's restart")
        assert change["keys"] == [f'web.url: - -> "{URL}"', 'web.sessions: "30d" -> "1m"']
        assert (await urls(host))["alice"] == f"{URL}/agent/alice/"
        assert (await host.ok("web_settings"))["web"]["session_seconds"] == 60.0
        assert not (await host.ok("reload", dry_run=True)).get("changes")


@pytest.mark.parametrize("via", ["", "x" * 101, "two\nlines", "\u202eback", 7, None])
async def test_words_that_are_none_are_refused(site: Site, via: object) -> None:
    async with opened(site) as (_, host):
        code, sentence = await host.refused("act_for", via=via)
        assert code == "bad_request"
        assert "via" in sentence
