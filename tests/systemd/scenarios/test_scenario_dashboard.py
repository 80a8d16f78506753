"""The dashboard as a service of its own user, and an agent in a container that attacks it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import ContainerHive, host, shown
from tests.systemd.scenarios.test_scenario_service import SERVICE, UNITS, ServiceHive
from tests.web.attacked import agent_table, check_report, report_of
from tests.web.dashboard_process import DashboardProcess

WEB = "hive-c0re-web.service"
SECRETS = ("the-plan-of-the-operator", "mallory", "bob")
LISTEN = "127.0.0.1:7000"
SOCKETS = ["/run/hyperhive/host.sock", "/run/hyperhive-web/web.sock"]
PYTHON = "/usr/bin/python3"


class WebService(ServiceHive):
    """A hive whose daemon and dashboard systemd runs."""

    def install(self) -> None:
        """Write the units, and make the group and the user that the dashboard has."""
        super().install()
        host("groupadd", "--system", "--force", "hive-admin")
        host("useradd", "--system", "--user-group", "--no-create-home", "hyperhive-web")
        (UNITS / WEB).write_text(self.ok("install-unit", "--web"))
        if libraries := os.environ.get("PYTHONPATH"):  # of a project that is not installed
            for unit in (SERVICE, WEB):
                drop_in = UNITS / f"{unit}.d" / "python.conf"
                drop_in.parent.mkdir(exist_ok=True)
                drop_in.write_text(f"[Service]\nEnvironment=PYTHONPATH={libraries}\n")
        host("systemctl", "daemon-reload")

    def close(self) -> None:
        """Leave nothing of it."""
        host("systemctl", "stop", WEB)
        (UNITS / WEB).unlink()
        super().close()
        subprocess.run(["userdel", "hyperhive-web"], check=False, capture_output=True)
        subprocess.run(["groupdel", "hive-admin"], check=False, capture_output=True)


@pytest.fixture(name="service")
def _service(hive: ContainerHive, tmp_path: Path) -> Iterator[WebService]:
    made = WebService(tmp_path)
    made.configure("[peers.bob]\n")
    made.install()
    yield made
    made.close()


def test_the_dashboard_is_a_service_and_closed_to_an_agent_of_the_network_of_the_host(
    service: WebService,
) -> None:
    host("systemctl", "start", SERVICE, WEB)
    web = DashboardProcess(service, listen=LISTEN)
    eventually(lambda: service.run("web-login").returncode == 0, what="a dashboard that answers")
    check_service(service)
    service.ok("send", "bob", SECRETS[0])
    ours = web.log_in()
    assert web.get("/mail", ours).status == 200

    table = agent_table(PYTHON, LISTEN, SOCKETS, SECRETS, stolen=ours, drops_rights=False)
    service.configure(table + "[peers.bob]\n")
    service.ok("reload")
    report = eventually(lambda: report_of(service), within=120, what="the report of an agent")
    check_report(report)
    assert report["stolen"] == [401, 401, 401], "it is another user than the browser's"
    assert web.is_open(ours)
    assert set(report["sockets"].values()) == {"FileNotFoundError"}
    assert web.is_open(web.log_in())

    host("systemctl", "kill", "--signal=KILL", WEB)
    eventually(lambda: shown(WEB, "NRestarts") == "1", what="another process")
    eventually(lambda: service.run("web-sessions").returncode == 0, what="a dashboard again")
    assert web.is_open(ours), "a crash logs nobody out"


def check_service(service: WebService) -> None:
    """Require the user, the rights and the files of the dashboard."""
    pid = int(shown(WEB, "MainPID"))
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    owner = Path("/run/hyperhive-web/web.sock").stat()
    assert Path(f"/proc/{pid}").owner() == "hyperhive-web"
    assert Path("/run/hyperhive-web/web.sock").group() == "hive-admin"
    assert owner.st_mode & 0o777 == 0o660
    inside = ("nsenter", f"--target={pid}", "--mount", "touch", "/etc/intruder")
    refused = subprocess.run(inside, check=False, capture_output=True)
    assert b"Read-only file system" in refused.stderr
