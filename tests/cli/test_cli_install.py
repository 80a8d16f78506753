"""The unit file of the daemon."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hive.cli.install import unit_file, web_unit_file


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_containers_and_their_sockets_survive_the_daemon():
    text = unit_file(Path("/opt/hive-c0re"), None)
    assert values(text, "KillMode") == ["process"]
    assert values(text, "RuntimeDirectoryPreserve") == ["yes"]
    assert values(text, "ExecStart") == ["/opt/hive-c0re serve --no-status --keep-agents"]
    assert values(text, "Type") == ["notify"]
    assert values(text, "WatchdogSec") == ["30s"]
    assert values(text, "LimitNOFILE") == ["1024:524288"]


def test_the_kernel_ends_agents_before_the_daemon():
    text = unit_file(Path("/opt/hive-c0re"), None)
    assert values(text, "OOMScoreAdjust") == ["-500"]
    assert values(text, "MemoryMin") == ["256M"]


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ("/etc/hive.toml", "/etc/hive.toml"),
        ("/etc/my hive.toml", '"/etc/my hive.toml"'),
        ("/etc/100%$x.toml", '"/etc/100%%$$x.toml"'),
    ],
)
def test_a_path_is_one_word_to_systemd(config, word):
    [line] = values(unit_file(Path("/opt/hive-c0re"), Path(config)), "ExecStart")
    assert line.endswith(f" --config {word}")


def test_the_dashboard_is_a_user_of_its_own_that_may_use_the_socket_of_the_operator():
    text = web_unit_file(Path("/opt/hive-c0re"))
    assert values(text, "ExecStart") == ["/opt/hive-c0re web"]
    assert values(text, "User") == values(text, "Group") == ["hyperhive-web"]
    assert values(text, "SupplementaryGroups") == ["hive-admin"]
    assert values(text, "RuntimeDirectory") == values(text, "StateDirectory") == ["hyperhive-web"]
    assert values(text, "CapabilityBoundingSet") == [""]
    assert values(text, "ProtectSystem") == ["strict"]
    assert values(text, "Environment") == values(unit_file(Path("/opt/x"), None), "Environment")


@pytest.mark.parametrize(
    ("path", "found"),
    [("/opt/venv", "yes"), ("/home/me/venv", "read-only"), ("/root/venv", "read-only")],
)
def test_its_program_may_be_in_a_home_directory(path, found):
    text = web_unit_file(Path("/opt/hive-c0re"), reads=[Path(path)])
    assert values(text, "ProtectHome") == [found]


def test_the_dashboard_has_no_configuration_of_its_own(hive):
    ran = hive("install-unit", "--web", "--config", "hive.toml")
    assert ran.status == 2
    assert "--config is for that" in ran.err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_of_the_dashboard(hive, tmp_path):
    unit = tmp_path / "hive-c0re-web.service"
    unit.write_text(hive("install-unit", "--web").out)
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60
    )
    problems = [line for line in done.stderr.splitlines() if "hive-c0re-web" in line]
    assert (done.returncode, problems) == (0, [])
