"""The dashboard of a hive inside a test, with a browser that is logged in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hive.clock import Clock, SystemClock
from hive.config import HiveConfig
from hive.web.app import WebSite, make_app
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SessionBook
from tests.support.hives import Site, swarm
from tests.support.runtimes import ScriptedRuntime
from tests.web.browsing import Browser
from tests.web.scripted_hive import ScriptedHive
from tests.web.unsaved_account import nothing, unsaved_account

SITE = WebSite({"127.0.0.1"}, secure=False, save=nothing)


async def logged_in(
    client: HiveClient | ScriptedHive, clock: Clock, book: SessionBook | None = None
) -> Browser:
    """Return a browser that is logged in to a dashboard."""
    book = book or SessionBook(3600.0)
    cookie = book.log_in(book.new_link(clock.now()), "a test", clock.now())
    account = await asyncio.to_thread(unsaved_account, client, book, clock)
    app = await asyncio.to_thread(make_app, client, book, SITE, clock, account)  # type: ignore[arg-type]
    return Browser(app, cookie)


@asynccontextmanager
async def dashboard(
    site: Site, runtime: ScriptedRuntime | None = None, config: HiveConfig | None = None
) -> AsyncIterator[Browser]:
    """Serve the dashboard of a real hive, whose containers are scripted."""
    config = config or swarm("alice", "bob", peers=["damocles"])
    client = HiveClient(str(site.run_dir / "host.sock"))
    try:
        async with site.real(runtime or ScriptedRuntime(), config):
            yield await logged_in(client, SystemClock())
    finally:
        client.close()
