"""A NixOS host as it was evaluated: its unit, its hive.toml, its tmpfiles and its containers."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hive.cli.install import unit_file, web_unit_file
from hive.config import WebConfig, load
from hive.config.model import QuietHours
from hive.config.toml_text import to_toml
from hive.errors import BadRequestError
from hive.names import check_agent_name, check_peer_name
from hive.paths import RUN_DIR_MODE
from tests.support.daemons import HiveOnDisk
from tests.support.nix_modules import STORE, evaluated, unit_lines

HOSTS: dict[str, Any] = evaluated()["hosts"]
PROGRAM = Path(STORE, "hyperhive", "bin", "hive-c0re")


def directives(lines: list[str]) -> set[str]:
    """Return the lines of a unit that mean something, in any order."""
    return {line for line in lines if line and not line.startswith(("#", "["))}


def test_the_service_is_the_one_that_install_unit_prints() -> None:
    ours = directives(list(unit_lines(HOSTS["example"]["services"]["hive-c0re"])))
    printed = directives(unit_file(PROGRAM, Path("/etc/hyperhive/hive.toml")).splitlines())
    assert printed - ours == set()
    assert {line.partition("=")[0] for line in ours - printed} == {"Environment"}
    names = {line.split("=")[1].strip('"') for line in ours - printed}
    assert names == {"HYPERHIVE_GIT", "HYPERHIVE_NIX", "NIX_CONFIG", "NIX_REMOTE"}


def test_the_service_finds_what_nixos_container_starts_by_its_name() -> None:
    packages = HOSTS["example"]["services"]["hive-c0re"]["path"]
    needed = {"nixos-container", "nix", "git", "openssh", "e2fsprogs", "util-linux", "systemd"}
    assert {f"{STORE}/{name}" for name in needed} <= {*packages}
    assert HOSTS["processes"]["services"]["hive-c0re"]["path"] == [f"{STORE}/systemd"]


def test_an_older_system_has_its_containers_where_its_unit_looks() -> None:
    older = HOSTS["older"]["services"]["hive-c0re"]
    assert older["serviceConfig"]["ReadWritePaths"] == "/etc/containers"
    assert older["serviceConfig"]["ConfigurationDirectory"] == "containers"
    assert f"{STORE}/nixos-container-of/var/lib/containers" in older["path"]


def test_the_dashboard_is_the_one_that_install_unit_prints() -> None:
    service = HOSTS["dashboard"]["services"]["hive-c0re-web"]
    printed = web_unit_file(PROGRAM).splitlines()
    assert directives(list(unit_lines(service))) == directives(printed)
    user = service["serviceConfig"]["User"]
    assert HOSTS["dashboard"]["users"].keys() == {user}
    assert HOSTS["dashboard"]["users"][user]["isSystemUser"]
    assert HOSTS["dashboard"]["groups"].keys() == {"hive-admin", user}
    assert "hive-c0re-web" not in HOSTS["example"]["services"]


def test_the_dashboard_reads_copies_of_its_certificate_and_key() -> None:
    tls = directives(list(unit_lines(HOSTS["tls"]["services"]["hive-c0re-web"])))
    plain = directives(list(unit_lines(HOSTS["dashboard"]["services"]["hive-c0re-web"])))
    assert tls - plain == {
        f"ExecStart={PROGRAM} web --certificate %d/certificate --key %d/key",
        "LoadCredential=certificate:/var/lib/acme/hive.example.net/fullchain.pem",
        "LoadCredential=key:/var/lib/acme/hive.example.net/key.pem",
    }
    assert plain - tls == {f"ExecStart={PROGRAM} web"}


def test_the_name_and_the_address_of_a_hive(tmp_path: Path) -> None:
    file = tmp_path / "hive.toml"
    file.write_text(to_toml(HOSTS["dashboard"]["settings"]))
    found = load(file)
    assert (found.name, found.web.url) == ("lab", "https://hive.example.net")
    assert found.web == WebConfig(url=found.web.url, trusted_proxies=("127.0.0.1",))
    assert not {"name", "web"} & HOSTS["example"]["settings"].keys()


def test_all_settings_of_the_dashboard(tmp_path: Path) -> None:
    file = tmp_path / "hive.toml"
    file.write_text(to_toml(HOSTS["tls"]["settings"]))
    directory = Path("/var/lib/acme/hive.example.net")
    assert load(file).web == WebConfig(
        url="https://hive.example.net:8443",
        listen="[::]:8443",
        sessions=43_200.0,
        certificate=directory / "fullchain.pem",
        key=directory / "key.pem",
        quiet_hours=QuietHours(22 * 60, 7 * 60),
    )


@pytest.mark.parametrize("host", ["dashboard", "tls"])
def test_other_settings_restart_the_dashboard_and_not_the_daemon(host: str) -> None:
    [trigger] = HOSTS[host]["services"]["hive-c0re-web"]["restartTriggers"]
    assert json.loads(trigger) == HOSTS[host]["settings"]["web"]
    assert not HOSTS[host]["services"]["hive-c0re"]["restartTriggers"]


def test_a_new_hive_toml_reloads_the_daemon_and_does_not_restart_it() -> None:
    service = HOSTS["example"]["services"]["hive-c0re"]
    [trigger] = service["reloadTriggers"]
    assert trigger == HOSTS["example"]["files"]["hyperhive/hive.toml"]
    assert trigger not in "\n".join(unit_lines(service))


@pytest.mark.parametrize("host", HOSTS)
def test_its_hive_toml_is_read(host: str, tmp_path: Path) -> None:
    file = tmp_path / "hive.toml"
    file.write_text(to_toml(HOSTS[host]["settings"]))
    config = load(file)
    settings = HOSTS[host]["settings"]
    assert set(config.peers) == set(settings.get("peers", ()))
    assert set(config.agents) == set(settings.get("agents", ()))


def test_agents_have_the_limits_of_the_host_unless_they_have_their_own(tmp_path: Path) -> None:
    file = tmp_path / "hive.toml"
    file.write_text(to_toml(HOSTS["example"]["settings"]))
    limits = {name: each.memory_max for name, each in load(file).all_agents().items()}
    assert limits == {"alice": "4G", "bob": "8G", "hm1nd": "4G"}


def test_agents_get_their_module_from_the_flake_of_the_host(tmp_path: Path) -> None:
    file = tmp_path / "hive.toml"
    file.write_text(to_toml(HOSTS["flaked"]["settings"]))
    assert load(file).containers.hyperhive == "path:/nix/store/hyperhive-source"
    assert "containers" not in HOSTS["processes"]["settings"]


def test_the_file_is_checked_by_the_build() -> None:
    check, copy, _ = HOSTS["example"]["check"].split("\n")
    assert check == f"{PROGRAM} check --keys-only {STORE}/written-hive.toml"
    assert copy == f"cp {STORE}/written-hive.toml $out"


def test_the_line_of_a_peer_changes_only_what_a_peer_needs() -> None:
    before, after = HOSTS["before"], HOSTS["after"]
    differing = {key for key in before if before[key] != after[key]}
    assert differing == {"containers", "services", "settings", "tmpfiles"}

    bound = after["containers"]["damocles"]["bindMounts"].pop("/run/hive")
    assert before["containers"] == after["containers"]
    after["containers"]["damocles"]["bindMounts"]["/run/hive"] = bound
    assert bound == {
        "hostPath": "/run/hyperhive/agents/damocles",
        "mountPoint": "/run/hive",
        "isReadOnly": True,
    }

    new = set(after["services"]) - set(before["services"])
    assert new == {"hive-peer-damocles"}
    assert all(before["services"][name] == after["services"][name] for name in before["services"])


def test_a_missing_directory_is_made_before_the_container_and_cannot_keep_it_down() -> None:
    unit = HOSTS["after"]["services"]["hive-peer-damocles"]
    assert unit["before"] == unit["wantedBy"] == ["container@damocles.service"]
    assert "RemainAfterExit" not in unit["serviceConfig"], "it runs before every start"


def test_users_of_a_range_see_the_socket_with_its_owners() -> None:
    bound = HOSTS["mapped"]["containers"]["damocles"]["bindMounts"]["/run/hive"]
    assert bound["mountPoint"] == "/run/hive:idmap"


def test_a_host_that_does_not_enable_it_is_as_it_was() -> None:
    disabled = HOSTS["disabled"]
    assert set(disabled["services"]) == {"container@damocles", "container@damocles-lab"}
    assert not any(disabled[key] for key in ("tmpfiles", "files", "groups"))


def test_only_containers_of_agents_open_to_the_operators() -> None:
    rule = HOSTS["example"]["polkit"]["extraConfig"]
    assert 'machine == "hm1nd" || machine.indexOf("h-") == 0' in rule
    assert 'isInGroup("hive-admin")' in rule
    assert HOSTS["example"]["groups"] == {"hive-admin": {"members": ["muede"]}}
    assert not HOSTS["processes"]["polkit"]["enable"]


@pytest.mark.parametrize("name", evaluated()["names"])
def test_names_are_judged_as_the_daemon_judges_them(name: str) -> None:
    verdicts = evaluated()["names"][name]
    assert verdicts["agent"] is (_is_valid(check_agent_name, name) and name != "hm1nd")
    assert verdicts["peer"] is _is_valid(check_peer_name, name)


def _is_valid(check: Any, name: str) -> bool:
    try:
        check(name)
    except BadRequestError:
        return False
    return True


@pytest.mark.parametrize("case", evaluated()["problems"])
def test_what_cannot_work_is_an_error_of_the_evaluation(case: str) -> None:
    problems = evaluated()["problems"][case]
    assert len(problems) == (5 if case == "names" else 1)
    for problem in problems:
        assert ":" in problem or "`" in problem, "names the option"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = {
        **{name: HOSTS["after"]["services"][name] for name in ("hive-c0re", "hive-peer-damocles")},
        **{
            f"web-{name}": HOSTS[name]["services"]["hive-c0re-web"] for name in ("dashboard", "tls")
        },
        **{f"inside-{k}": p["services"]["hive-peer"] for k, p in evaluated()["peers"].items()},
    }
    files = []
    for name, service in units.items():
        files.append(tmp_path / f"{name}.service")
        text = "\n".join([*unit_lines(service), ""])
        for program in ("hive-c0re", "hive-ag3nt", "systemd-tmpfiles"):
            for package in ("hyperhive", "ripgrep", "systemd"):
                text = text.replace(f"{STORE}/{package}/bin/{program}", "/bin/true")
        for user in ("muede", "hyperhive-web"):
            text = text.replace(f"User={user}", "User=root").replace(f"Group={user}", "Group=root")
        files[-1].write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert not any(file.name in done.stderr for file in files), done.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
def test_the_directories_are_those_that_the_daemon_wants(tmp_path: Path) -> None:
    rules = tmp_path / "hive.conf"
    lines = HOSTS["group"]["tmpfiles"]
    rules.write_text(
        "".join(f"{line}\n".replace("/run/hyperhive", f"{tmp_path}/run") for line in lines)
    )
    subprocess.run(["systemd-tmpfiles", "--create", rules], check=True, timeout=50)
    run, agents = tmp_path / "run", tmp_path / "run" / "agents"
    assert run.stat().st_mode & 0o7777 == agents.stat().st_mode & 0o7777 == RUN_DIR_MODE
    found = (agents / "damocles").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o2750, 0, 100)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
@pytest.mark.parametrize(("host", "allowed"), [("user", True), ("after", False)])
def test_a_user_of_the_socket_needs_no_group(
    host: str, allowed: bool, hive: HiveOnDisk, tmp_path: Path
) -> None:
    rules = tmp_path / "hive.conf"
    rules.write_text(
        "".join(f"{line}\n" for line in HOSTS[host]["tmpfiles"] if "damocles" in line).replace(
            "/run/hyperhive", str(hive.run_dir)
        )
    )
    hive.run_dir.chmod(0o751)
    subprocess.run(["systemd-tmpfiles", "--create", rules], check=True, timeout=50)
    hive.configure("[peers.damocles]\n")
    hive.start()
    user = ("setpriv", "--reuid=1000", "--regid=4242", "--clear-groups")
    done = subprocess.run(
        [*user, "test", "-w", hive.socket_of("damocles")], check=False, timeout=50
    )
    assert (done.returncode == 0) is allowed, "connect(2), see unix(7)"
