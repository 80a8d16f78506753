"""An agent that shares the network of the host cannot get in to the dashboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.daemons import HiveOnDisk, eventually
from tests.web.attacked import agent_table, check_report, report_of
from tests.web.dashboard_process import DashboardProcess

SECRETS = ("the-plan-of-the-operator", "mallory", "bob")
"""A message, and the names of participants."""


@pytest.fixture(name="report", scope="module")
def _report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What an agent found that did its worst, and what the operator saw meanwhile."""
    hive = HiveOnDisk(tmp_path_factory.mktemp("hive"))
    web = DashboardProcess(hive)
    sockets = [str(hive.run_dir / "host.sock"), str(web.run_dir / "web.sock")]
    hive.configure("[peers.bob]\n")
    try:
        hive.start()
        hive.ok("send", "bob", SECRETS[0])
        web.start()
        ours = web.log_in()
        assert web.is_open(ours)
        table = agent_table(sys.executable, web.listen, sockets, SECRETS, stolen=ours)
        hive.configure(table + "[peers.bob]\n")
        hive.ok("reload")
        found = eventually(lambda: report_of(hive), within=60, what="the report of an agent")
        yield {
            **found,
            "log_in_afterwards": web.is_open(web.log_in()),
            "still_open": web.is_open(ours),
            "sessions": hive.json("web-sessions"),
            "output": web.output(),
            "audit": hive.json("audit"),
            "mail": hive.json("inbox", "bob"),
        }
    finally:
        web.close()
        hive.close()


def test_it_gets_nothing_whatever_it_sends(report: dict[str, Any]) -> None:
    check_report(report)


def test_the_log_has_where_wrong_links_came_from_and_not_what_is_claimed(
    report: dict[str, Any],
) -> None:
    assert "wrong link was tried from 127.0.0.1" in report["output"]
    assert "10.0.0." not in report["output"]


def test_the_operator_gets_in_meanwhile(report: dict[str, Any]) -> None:
    assert report["log_in_afterwards"]
    assert report["still_open"]


def test_nothing_came_of_it(report: dict[str, Any]) -> None:
    assert [row["id"] for row in report["sessions"]] == [1, 2], "both are the operator's"
    assert [row["body"] for row in report["mail"]] == [SECRETS[0]]
    assert "Traceback" not in report["output"]
    acts = {row["verb"] for row in report["audit"]}
    assert acts <= {"reload", "send"}, acts


@pytest.mark.root
def test_a_stolen_cookie_is_of_no_use_to_another_user(report: dict[str, Any]) -> None:
    assert report["stolen"] == [401, 401, 401]
    sentence = "the cookie of session 1, which is of a browser of the user 0, was sent by the user"
    assert report["output"].count(f"{sentence} 65534") == 1, "it cannot fill the log"
    assert len(report["output"].splitlines()) < 30


@pytest.mark.root
def test_the_sockets_of_the_operator_are_closed_to_it(report: dict[str, Any]) -> None:
    assert report["uid"] == 65534
    assert set(report["sockets"].values()) == {"PermissionError"}
