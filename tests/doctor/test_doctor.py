"""Each problem of a machine is found, with its remedy."""

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from hive.cli.main import main
from hive.config import AgentManifest, Containers, HiveConfig, RuntimeName
from hive.doctor.checks import examine, worst
from hive.doctor.facts import DROP_IN, Directories, Facts, Orphans, Polkit, gather, orphaned_files
from hive.doctor.fixes import apply_fixes
from hive.errors import FailedError
from hive.findings import Finding, Verdict

FIT = Facts(runtime=RuntimeName.MACHINECTL, preserve="yes")


def problems(facts: Facts) -> list[Finding]:
    return [found for found in examine(facts) if found.verdict is not Verdict.OK]


def test_a_fit_machine_has_no_problems() -> None:
    assert problems(FIT) == []
    checks = [found.check for found in examine(FIT)]
    assert len(checks) == len(set(checks)) == 11


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "remedy"),
    [
        ({"preserve": "no"}, "run-dir", Verdict.PROBLEM, "RuntimeDirectoryPreserve=yes"),
        ({"booted": False}, "systemd", Verdict.PROBLEM, "'process'"),
        ({"missing_programs": ("machinectl",)}, "machined", Verdict.PROBLEM, "systemd-container"),
        ({"bus_library": False}, "d-bus", Verdict.WARNING, "hyperhive[systemd]"),
        ({"bus_socket": False}, "d-bus", Verdict.WARNING, "dbus"),
        ({"root": False}, "permissions", Verdict.PROBLEM, "install-unit"),
        ({"missing_images": ("base",)}, "images", Verdict.PROBLEM, "import-tar"),
        ({"without_origin": ("bob",)}, "images", Verdict.PROBLEM, "'image' in [containers]"),
        ({"polkit": Polkit.MISSING}, "polkit", Verdict.WARNING, "polkitd"),
        ({"polkit": Polkit.REFUSES}, "polkit", Verdict.WARNING, "machine1.shell"),
        ({"orphans": Orphans(files=(Path("/x"),))}, "leftovers", Verdict.WARNING, "--fix"),
        ({"orphans": Orphans(failed=("u",))}, "units", Verdict.WARNING, "reset-failed"),
        ({"orphans": Orphans(running=("u",))}, "units", Verdict.WARNING, "systemctl stop"),
        ({"orphans": Orphans(images=("h-x",))}, "containers", Verdict.WARNING, "machinectl"),
        ({"orphans": Orphans(nixos=("h-x",))}, "containers", Verdict.WARNING, "destroy"),
        ({"restarting": {"u.service": "always"}}, "restart", Verdict.PROBLEM, "Restart=no"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_problem_is_found_with_its_remedy(
    changes: dict[str, Any], check: str, verdict: Verdict, remedy: str
) -> None:
    [found] = problems(attrs.evolve(FIT, **changes))
    assert (found.check, found.verdict) == (check, verdict)
    assert remedy in found.remedy
    assert worst(examine(attrs.evolve(FIT, **changes))) is verdict


def test_processes_need_nothing_of_containers() -> None:
    unfit = attrs.evolve(FIT, runtime=RuntimeName.PROCESS, booted=False, root=False)
    assert problems(unfit) == []


def test_running_units_and_containers_with_data_are_never_removed() -> None:
    found = Orphans(running=("u.service",), images=("h-x",), nixos=("h-y",))
    assert not apply_fixes(examine(attrs.evolve(FIT, orphans=found)))


def test_without_the_daemon_only_hive_toml_names_agents() -> None:
    facts = attrs.evolve(FIT, orphans=Orphans(files=(Path("/x"),)), all_known=False)
    [found] = problems(facts)
    assert "that hive.toml does not name (the daemon cannot be asked)" in found.sentence


def test_only_files_of_agents_that_do_not_exist_are_orphans(tmp_path: Path) -> None:
    systemd, run_dir = tmp_path / "systemd", tmp_path / "run"
    for unit in ("systemd-nspawn@h-alice", "systemd-nspawn@h-gone", "systemd-nspawn@hm1nd"):
        (systemd / f"system/{unit}.service.d").mkdir(parents=True)
        (systemd / f"system/{unit}.service.d" / DROP_IN).touch()
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
        systemd / f"system/systemd-nspawn@h-gone.service.d/{DROP_IN}",
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
    [found] = [f for f in json.loads(capsys.readouterr().out) if f["check"] == "hive.toml"]
    assert "an agent name has at most 9" in found["sentence"]
    config.write_text('runtime = "machinectl"\n[containers]\nimage = "/no/image"\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    findings = {found["check"]: found for found in json.loads(capsys.readouterr().out)}
    assert findings["images"]["verdict"] == "problem"
    assert findings["images"]["remedy"]
    assert main(["doctor", "--fix"]) == 1
    assert "nothing is removed" in capsys.readouterr().err
