"""Each thing that can be amiss is found, with what to do."""

import json
import os
from pathlib import Path

import attrs
import pytest

from hive.cli.main import main
from hive.config import AgentManifest, Containers, HiveConfig, RuntimeName
from hive.doctor.checks import examine, worst
from hive.doctor.facts import DROP_IN, Facts, gather, leftovers
from hive.findings import Finding, Verdict

FIT = Facts(runtime=RuntimeName.MACHINECTL, preserve="yes")


def amiss(facts: Facts) -> list[Finding]:
    return [found for found in examine(facts) if found.verdict is not Verdict.OK]


def test_a_fit_machine_has_nothing_amiss() -> None:
    assert amiss(FIT) == []
    checks = [found.check for found in examine(FIT)]
    assert len(checks) == len(set(checks)) == 8


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
        ({"leftovers": (Path("/x"),)}, "leftovers", Verdict.WARNING, "--fix"),
        ({"restarting": {"u.service": "always"}}, "restart", Verdict.PROBLEM, "Restart=no"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_amiss_is_found_with_its_remedy(
    changes: dict[str, object], check: str, verdict: Verdict, remedy: str
) -> None:
    [found] = amiss(attrs.evolve(FIT, **changes))
    assert (found.check, found.verdict) == (check, verdict)
    assert remedy in found.remedy
    assert worst(examine(attrs.evolve(FIT, **changes))) is verdict


def test_processes_need_nothing_of_containers() -> None:
    unfit = attrs.evolve(FIT, runtime=RuntimeName.PROCESS, booted=False, root=False)
    assert amiss(unfit) == []


def test_only_files_of_agents_that_do_not_exist_are_left_over(tmp_path: Path) -> None:
    for unit in ("systemd-nspawn@h-alice", "systemd-nspawn@h-gone", "systemd-nspawn@hm1nd"):
        (tmp_path / f"system/{unit}.service.d").mkdir(parents=True)
        (tmp_path / f"system/{unit}.service.d" / DROP_IN).touch()
    (tmp_path / "system/systemd-nspawn@h-gone.service.d/10-theirs.conf").touch()
    (tmp_path / "nspawn").mkdir()
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines/h-runs").touch()
    (tmp_path / "nspawn/h-runs.nspawn").touch()
    for name in ("h-alice", "h-gone", "theirs"):
        (tmp_path / f"nspawn/{name}.nspawn").touch()
    assert leftovers(tmp_path, ["alice", "hm1nd"]) == (
        tmp_path / "nspawn/h-gone.nspawn",
        tmp_path / f"system/systemd-nspawn@h-gone.service.d/{DROP_IN}",
    )


def test_an_image_that_is_not_there_is_seen(tmp_path: Path) -> None:
    agents = {"alice": AgentManifest(run=("x",)), "bob": AgentManifest(run=("x",), image="/no/b")}
    there = Containers(image=str(tmp_path))
    facts = gather(HiveConfig(RuntimeName.MACHINECTL, there, agents=agents), ())
    assert (facts.missing_images, facts.without_origin) == (("/no/b",), ())
    assert facts.root == (os.geteuid() == 0)
    facts = gather(HiveConfig(RuntimeName.MACHINECTL, Containers(), agents=agents), ())
    assert facts.without_origin == ("alice",)


def test_the_verb_prints_findings_and_its_status_says_whether_one_is_a_problem(
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
    config.write_text('runtime = "machinectl"\n[containers]\nimage = "/no/image"\n')
    assert main(["doctor", "--config", str(config), "--json"]) == 1
    findings = {found["check"]: found for found in json.loads(capsys.readouterr().out)}
    assert findings["images"]["verdict"] == "problem"
    assert findings["images"]["remedy"]
    assert main(["doctor", "--fix"]) == 1
    assert "nothing is removed" in capsys.readouterr().err
