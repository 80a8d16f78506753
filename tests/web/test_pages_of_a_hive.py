"""Each page of the dashboard of a real hive, and each action on it."""

import asyncio

import attrs
import pytest

from tests.support.hives import Site, connected, site, swarm
from tests.web.served import dashboard

__all__ = ["site"]

pytestmark = [pytest.mark.loops("asyncio"), pytest.mark.usefixtures("nothing_left_running")]

PAGES = {
    "/": "alice",
    "/agent/alice/": "message to alice",
    "/agent/damocles/": "its lifecycle is not the hive's",
    "/agent/alice/output": "no output",
    "/agent/alice/statistics": "24 hours",
    "/approvals": "Nothing waits for a decision",
    "/mail": "no mail",
    "/mail?text=x&from=alice&to=bob": "no mail",
    "/dead-letters": "no dead letters",
    "/deploys": "no deploys",
    "/deploys?name=alice": "no deploys",
    "/events": "the daemon answers",
    "/events?before=2": "the daemon answers",
    "/events?kind=daemon_started": "the daemon answers",
    "/events?name=alice": "alice",
    "/audit": "no decisions",
}


async def test_each_page_of_a_hive_that_has_just_begun(site: Site) -> None:
    async with dashboard(site) as browser:
        for path, words in PAGES.items():
            assert words in (await browser.page(path)).shown, path


@pytest.mark.parametrize(
    "path",
    [
        *("/agent/nobody/", "/agent/nobody/output", "/agent/nobody/statistics"),
        *("/live/agent/nobody", "/live/nothing", "/message/999", "/approval/999"),
        *("/deploys?name=nobody", "/audit?name=nobody", "/mail?from=nobody", "/static/none.js"),
    ],
)
async def test_what_there_is_not_is_404(site: Site, path: str) -> None:
    async with dashboard(site) as browser:
        assert (await asyncio.wait_for(browser.get(path), 10)).status == 404


async def test_open_pages_of_a_hive(site: Site) -> None:
    async with dashboard(site) as browser:
        async with browser.live("/live/overview") as page:
            kind, changes = await page.next()
        assert kind == "changes"
        assert {"items", "agents", "messages", "events"} <= {each["list"] for each in changes}
        async with browser.live("/live/agent/alice") as page:
            kind, changes = await page.next()
        assert "alice" in next(each for each in changes if each["list"] == "head")["parts"]["head"]


async def test_mail_of_the_operator_is_read_and_traced(site: Site) -> None:
    async with dashboard(site) as browser:
        async with connected(site.run_dir / "agents/alice/mcp.sock") as alice:
            sent = await alice.ok("send", to="operator", body="please look")
        shown = (await browser.page("/")).shown
        assert "1 needs you" in shown
        assert "please look" in shown
        page = await browser.page(f"/message/{sent['id']}")
        assert "please look" in page.shown
        assert "reply to alice" in page.shown
        assert "please look" in (await browser.page("/mail?text=look")).shown


async def test_the_audit_says_by_which_session_something_was_done(site: Site) -> None:
    async with dashboard(site) as browser:
        token = (await browser.page("/agent/alice/")).token
        await browser.post("/do/pause", {"token": token, "name": "alice", "back": "/agent/alice/"})
        shown = (await browser.page("/audit")).shown
        assert "via web session 1  set_paused done  alice" in shown


async def test_a_hive_with_a_name_is_called_by_it(site: Site) -> None:
    config = attrs.evolve(swarm("alice"), name="lab <1>")
    async with dashboard(site, config=config) as browser:
        page = await browser.page("/")
    assert "<title>lab &lt;1&gt;</title>" in page.text
    assert "<strong>lab &lt;1&gt;</strong>" in page.text
