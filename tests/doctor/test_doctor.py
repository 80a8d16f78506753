"""Each problem of a machine is found, with its remedy."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from hive import disk_space
from hive.cli.main import main
from hive.config import AgentManifest, Containers, HiveConfig, MachineProtection, RuntimeName
from hive.disk_space import DiskShortage, FreeSpace
from hive.doctor import facts
from hive.doctor.checks import examine, strays, worst
from hive.doctor.facts import (
    DROP_INS,
    Directories,
    Facts,
    Orphans,
    Polkit,
    gather,
    orphaned_files,
    session_dir,
)
from hive.doctor.fixes import apply_fixes
from hive.doctor.security_facts import SecurityFacts
from hive.errors import FailedError
from hive.findings import Finding, Verdict
from hive.restarters import Restarter

SAFE = SecurityFacts(systemd="260.1")

FIT = Facts(runtime=RuntimeName.MACHINECTL, preserve="yes", security=SAFE)

BAD = (Verdict.WARNING, Verdict.PROBLEM)


def problems(facts: Facts) -> list[Finding]:
    return [found for found in examine(facts) if found.verdict in BAD]


def test_strays_are_named_with_what_to_do() -> None:
    rows = [
        {"name": "alice", "state": "running", "reason": None},
        {"name": "bob", "state": "stray", "reason": "runs although stopped; 'stop bob' ends it"},
    ]
    [found] = strays(rows)
    assert (found.check, found.verdict) == ("strays", Verdict.WARNING)
    assert (found.sentence, found.remedy) == ("bob runs although stopped", "'stop bob' ends it")
    assert list(strays([])) == []


def test_a_fit_machine_has_no_problems() -> None:
    assert problems(FIT) == []
    checks = [found.check for found in examine(FIT)]
    assert len(checks) == len(set(checks)) == 18


def test_what_is_said_of_the_run_directory_without_a_service_holds_when_it_is_gone() -> None:
    [found] = [each for each in examine(evolve(FIT, preserve=None)) if each.check == "run-dir"]
    assert "leaves its sockets alone" in found.sentence
    assert "not removed" not in found.sentence


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "remedy"),
    [
        ({"preserve": "no"}, "run-dir", Verdict.PROBLEM, "RuntimeDirectoryPreserve=yes"),
        ({"session_dir": Path("/run/user/7/h")}, "run-dir", Verdict.WARNING, "enable-linger"),
        ({"booted": False}, "systemd", Verdict.PROBLEM, "'process'"),
        ({"missing_programs": ("machinectl",)}, "machined", Verdict.PROBLEM, "systemd-container"),
        ({"bus_library": False}, "d-bus", Verdict.WARNING, "[systemd]"),
        ({"bus_socket": False}, "d-bus", Verdict.WARNING, "dbus"),
        ({"root": False}, "permissions", Verdict.PROBLEM, "install-unit"),
        ({"missing_images": ("base",)}, "images", Verdict.PROBLEM, "image debian NAME"),
        ({"without_origin": ("bob",)}, "images", Verdict.PROBLEM, "'image' in [containers]"),
        ({"polkit": Polkit.MISSING}, "polkit", Verdict.WARNING, "polkitd"),
        ({"polkit": Polkit.REFUSES}, "polkit", Verdict.WARNING, "machine1.shell"),
        ({"orphans": Orphans(files=(Path("/x"),))}, "leftovers", Verdict.WARNING, "--fix"),
        ({"orphans": Orphans(failed=("u",))}, "units", Verdict.WARNING, "reset-failed"),
        ({"orphans": Orphans(running=("u",))}, "units", Verdict.WARNING, "systemctl stop"),
        ({"orphans": Orphans(images=("h-x",))}, "containers", Verdict.WARNING, "machinectl"),
        ({"orphans": Orphans(nixos=("h-x",))}, "containers", Verdict.WARNING, "destroy"),
        (
            {"full_disks": (DiskShortage("full", "tidy"),)},
            "disk",
            Verdict.PROBLEM,
            "tidy",
        ),
        ({"measures_pressure": False}, "pressure", Verdict.WARNING, "psi=1"),
        ({"missing_controllers": ("memory",)}, "limits", Verdict.WARNING, "cgroup v2"),
        (
            {"restarters": (Restarter("u.service", "u.service has Restart=always", "edit /x"),)},
            "restart",
            Verdict.PROBLEM,
            "edit /x",
        ),
        ({"security": evolve(SAFE, host_users=("x",))}, "users", Verdict.WARNING, "private_users"),
        ({"security": evolve(SAFE, systemd="257.9")}, "escapes", Verdict.WARNING, "260"),
        ({"security": evolve(SAFE, systemd="259.4")}, "escapes", Verdict.WARNING, "tracker"),
        ({"security": evolve(SAFE, systemd=None)}, "escapes", Verdict.WARNING, "tracker"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_problem_is_found_with_its_remedy(
    changes: dict[str, Any], check: str, verdict: Verdict, remedy: str
) -> None:
    [found] = problems(evolve(FIT, **changes))
    assert (found.check, found.verdict) == (check, verdict)
    assert remedy in found.remedy
    assert worst(examine(evolve(FIT, **changes))) is verdict


def test_processes_need_nothing_of_containers() -> None:
    unfit = evolve(FIT, runtime=RuntimeName.PROCESS, booted=False, root=False)
    assert problems(unfit) == []


def test_running_units_and_containers_with_data_are_never_removed() -> None:
    found = Orphans(running=("u.service",), images=("h-x",), nixos=("h-y",))
    assert not apply_fixes(examine(evolve(FIT, orphans=found)))


def test_without_the_daemon_only_hive_toml_names_agents() -> None:
    facts = evolve(FIT, orphans=Orphans(files=(Path("/x"),)), all_known=False)
    [found] = problems(facts)
    assert "that hive.toml does not name (the daemon cannot be asked)" in found.sentence


def test_only_files_of_agents_that_do_not_exist_are_orphans(tmp_path: Path) -> None:
    systemd, run_dir = tmp_path / "systemd", tmp_path / "run"
    for unit in ("systemd-nspawn@h-alice", "systemd-nspawn@h-gone", "systemd-nspawn@hm1nd"):
        (systemd / f"system/{unit}.service.d").mkdir(parents=True)
        (systemd / f"system/{unit}.service.d" / DROP_INS[0]).touch()
    (systemd / "system/systemd-nspawn@h-gone.service.d/10-theirs.conf").touch()
    (systemd / "nspawn").mkdir()
    (systemd / "machines").mkdir()
    (systemd / "machines/h-runs").touch()
    (systemd / "nspawn/h-runs.nspawn").touch()
    for name in ("h-alice", "h-gone", "theirs"):
        (systemd / f"nspawn/{name}.nspawn").touch()
    for name in ("h-alice", "h-gone"):
        (run_dir / "machines" / name).mkdir(parents=True)
        (run_dir / "machines" / name / "hive-agent.service").touch()
    assert orphaned_files(Directories(run_dir, systemd), ["alice", "hm1nd"]) == (
        run_dir / "machines/h-gone/hive-agent.service",
        systemd / "nspawn/h-gone.nspawn",
        systemd / f"system/systemd-nspawn@h-gone.service.d/{DROP_INS[0]}",
    )


def test_fixes_remove_files_then_run_commands(tmp_path: Path) -> None:
    leftover, theirs = tmp_path / "empty/a", tmp_path / "full/b"
    for path in (leftover, theirs, tmp_path / "full/c"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    done = tmp_path / "done"
    check = f"test ! -e {leftover} && touch {done}"
    found = Finding("x", Verdict.WARNING, "", "", (leftover, theirs), (("sh", "-c", check),))
    assert apply_fixes([found])
    assert done.exists()
    assert (leftover.parent.exists(), theirs.parent.exists()) == (False, True)
    refused = Finding("x", Verdict.WARNING, "", commands=(("sh", "-c", "echo no >&2; false"),))
    with pytest.raises(FailedError, match=r"no$"):
        apply_fixes([refused])


def test_a_missing_image_is_found(tmp_path: Path) -> None:
    agents = {"alice": AgentManifest(run=("x",)), "bob": AgentManifest(run=("x",), image="/no/b")}
    there = Containers(image=str(tmp_path))
    facts = gather(HiveConfig(RuntimeName.MACHINECTL, there, agents=agents), ())
    assert (facts.missing_images, facts.without_origin) == (("/no/b",), ())
    assert facts.root == (os.geteuid() == 0)
    facts = gather(HiveConfig(RuntimeName.MACHINECTL, Containers(), agents=agents), ())
    assert facts.without_origin == ("alice",)


def test_the_verb_prints_findings_and_its_exit_status_shows_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERHIVE_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("HYPERHIVE_STATE_DIR", str(tmp_path))
    assert main(["doctor"]) == 1, "no daemon runs"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       run-dir: ")
    assert any(line.startswith("problem  daemon: ") for line in lines)
    assert main(["doctor", "--db"]) == 0
    capsys.readouterr()
    config = tmp_path / "hive.toml"
    config.write_text('[agents.much-too-long]\nrun = ["x"]\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    [found] = [f for f in json.loads(capsys.readouterr().out) if f["check"] == "config"]
    assert "an agent name has at most 9" in found["sentence"]
    config.write_text('[agents.much]\nrun = ["no-such-program"]\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    [found] = [f for f in json.loads(capsys.readouterr().out) if f["check"] == "config"]
    assert found["verdict"] == "problem"
    assert "there is no program 'no-such-program' on PATH" in found["sentence"]
    config.write_text('runtime = "machinectl"\n[containers]\nimage = "/no/image"\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    findings = {found["check"]: found for found in json.loads(capsys.readouterr().out)}
    assert findings["images"]["verdict"] == "problem"
    assert findings["images"]["remedy"]
    assert main(["doctor", "--fix"]) == 1
    assert "nothing is removed" in capsys.readouterr().err


def test_the_controllers_that_limits_need(tmp_path: Path) -> None:
    file = tmp_path / "cgroup.controllers"
    assert facts._missing_controllers(file) == ("memory", "pids", "cpu")
    file.write_text("cpuset cpu io memory hugetlb pids\n")
    assert facts._missing_controllers(file) == ()
    file.write_text("cpuset cpu\n")
    assert facts._missing_controllers(file) == ("memory", "pids")


def test_a_disk_with_less_than_the_limit_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERHIVE_STATE_DIR", str(tmp_path))
    for limit, count in ((None, 0), (1, 0), (1 << 49, 1)):
        config = HiveConfig(machine=MachineProtection(disk_free=limit))
        full = facts._full_disks(config)
        assert len(full) == count
        assert all(f"the disk of {tmp_path} is nearly full" in each.what for each in full)


def test_the_disks_of_images_need_inodes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def free(path: Path) -> FreeSpace:
        return FreeSpace(path, 0, 1 << 40, 7 if path == Path("/var/lib/machines") else None)

    monkeypatch.setattr(disk_space, "free_space", free)
    assert facts._full_disks(HiveConfig()) == ()
    [full] = facts._full_disks(HiveConfig(runtime=RuntimeName.MACHINECTL))
    assert full.what == "the disk of /var/lib/machines has only 7 inodes left, 2000 are needed"


def test_a_run_directory_of_a_session_is_one_that_logind_removes(tmp_path: Path) -> None:
    root = Path("/run/user/0/hyperhive")
    assert session_dir(root, tmp_path) == root
    (tmp_path / "root").touch()
    assert session_dir(root, tmp_path) is None, "the user lingers"
    for other in ("/run/hyperhive", "/run/user", "/run/user/x/hive", "/run/user/4000000000/hive"):
        assert session_dir(Path(other), tmp_path) is None


def test_a_configuration_that_does_not_exist_is_not_to_be_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERHIVE_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("HYPERHIVE_STATE_DIR", str(tmp_path))
    there = tmp_path / "hive.toml"

    def remedy() -> str:
        main(["doctor", "--config", str(there), "--json"])
        found = json.loads(capsys.readouterr().out)
        [config] = [each for each in found if each["check"] == "config"]
        assert str(config["sentence"]).count("hive.toml") == 1
        return str(config["remedy"])

    assert remedy() == "give --config the path of a hive.toml"
    there.write_text("[agents.alice]\nrum = 1\n")
    assert remedy() == "correct it there"
