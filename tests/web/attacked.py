"""The attack of `hostile_agent.py`: what it needs to know, and what it reported."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from hive.clock import SystemClock
from hive.web.app import WebSite, make_app
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SessionBook
from hive.web.middleware import OPEN_PATHS, PageEntrance
from hive.web.operator_account import open_account
from tests.support.daemons import HiveOnDisk

ATTACK = Path(__file__).with_name("hostile_agent.py").read_text()


def agent_table(
    python: str,
    listen: str,
    sockets: Sequence[str],
    secrets: Sequence[str],
    *,
    stolen: str = "",
    drops_rights: bool = True,
) -> str:
    """Return the table of hive.toml of an agent that attacks a dashboard.

    Args:
        python: The interpreter.
        listen: Where the dashboard listens.
        sockets: Paths of the sockets of the operator.
        secrets: What no page may show it.
        stolen: The cookie of a session of the operator.
        drops_rights: Whether it is outside of a container, and gives up the rights of root.
    """
    task = {
        "paths": paths(),
        "sockets": sockets,
        "secrets": secrets,
        "stolen": stolen,
        "drops_rights": drops_rights,
    }
    words = [python, "-c", ATTACK, listen, json.dumps(task)]
    return f"[agents.mallory]\nexec = {json.dumps(words)}\n"


async def _save() -> None:
    """Save nothing."""


def paths() -> list[str]:
    """Return a path of each route of the dashboard, those of the account included."""
    client, book, clock = HiveClient("/no.sock"), SessionBook(1.0), SystemClock()
    site = WebSite(("127.0.0.1",), secure=False, save=_save)
    with TemporaryDirectory() as directory:
        account = open_account(Path(directory), "http://127.0.0.1:7000", client, book, clock)
    app = make_app(client, book, site, clock, account)
    assert isinstance(app, PageEntrance)
    assert isinstance(app.app, Starlette)
    return [path_of(route) for route in app.app.routes]


def path_of(route: BaseRoute) -> str:
    """Return a path that leads to a route."""
    assert isinstance(route, Route)
    if route.path.startswith("/static/"):
        return "/static/hive.css"
    path = route.path.replace("{number}", "1")
    return re.sub(r"\{\w+\}", "alice", path)


def report_of(hive: HiveOnDisk) -> dict[str, Any] | None:
    """Return what the agent has reported, once that is all."""
    lines = hive.json("logs", "mallory", "-n", "5000")
    assert not any("Traceback" in line for line in lines), lines
    parts = [json.loads(line.partition("REPORT ")[2]) for line in lines if "REPORT " in line]
    if not parts or parts[-1][0] != "end":
        return None
    return {**dict(parts), "pages": [found for what, found in parts if what == "page"]}


def check_report(report: dict[str, Any]) -> None:
    """Require that no page, no forged header and no line led anywhere."""
    assert len(report["pages"]) > 100
    for page in report["pages"]:
        check_page(*page)
    assert report["headers"].pop("too long") == 413
    assert {asked: status for asked, status in report["headers"].items() if status != 403} == {}
    statuses = {line.split(" ")[1] if line else "closed" for line in report["lines"]}
    assert statuses <= {"400", "401", "403", "404", "closed"}
    assert set(report["links"]) <= {403, 429}
    assert report["links"][-1] == 429


def check_page(method: str, path: str, status: int, body: str, secrets: Sequence[str]) -> None:
    """Require that an answer shows nothing.

    Args:
        method: How it was asked for.
        path: What was asked for.
        status: The status.
        body: How the body begins.
        secrets: The secrets in it.
    """
    asked = (method, path, status, body)
    assert secrets == [], asked
    assert status < 500, asked
    if path in OPEN_PATHS or path.startswith("/static/"):
        return
    assert status in {303, 401, 403}, asked
    assert body in {"", "log in first\n"} or status == 403, asked
