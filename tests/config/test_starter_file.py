"""The first hive.toml that `init` writes is true to the schema."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hive.cli.main import main
from hive.config import HiveConfig, load
from hive.config.agent_schema import AGENT
from hive.config.hive_schema import HIVE
from hive.config.starter_file import starter_text
from hive.errors import ExitStatus

COMMENTED = re.compile(r"^#(?=[a-z_]+ = |\[)", re.MULTILINE)
"""The mark before a key or the header of a table."""


def test_as_it_is_it_describes_the_default_hive(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text(starter_text())
    assert load(path) == HiveConfig()


def test_every_key_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "hive.toml"
    path.write_text(COMMENTED.sub("", starter_text()))
    found = load(path)
    participants = {"manager": found.manager, "agents": found.agents, "peers": found.peers}
    assert found == HiveConfig(**participants), "what is set has the value that it has anyway"
    assert found.agents["alice"] == found.manager, "one has its keys written, the other has not"
    assert found.agents["alice"].run == ("cat",)
    assert list(found.peers) == ["damocles"]


def test_every_key_of_every_table_is_in_it() -> None:
    written = tomllib.loads(COMMENTED.sub("", starter_text()))
    for key in HIVE.keys:
        assert key.name in written or f"\n#{key.name} =\n" in starter_text()
    for key in AGENT.keys:
        assert f"\n# {key.name} (" in starter_text()
    with_default = {key.name for key in AGENT.keys if AGENT.written_default(key) is not None}
    tables = {key.name for key in AGENT.keys if key.kind.word == "table"}
    assert written["agents"]["alice"].keys() >= with_default - tables


def test_every_key_without_a_default_has_a_line_to_fill_in() -> None:
    lines = starter_text().splitlines()
    without = {key.name for key in AGENT.keys if AGENT.written_default(key) is None} - {"run"}
    tables = {key.name for key in AGENT.keys if key.kind.word in {"table", "tables"}}
    assert "exec" in without
    for name in without - tables:
        assert f"#{name} =" in lines
    filled = starter_text().replace("#exec =", '#exec = ["true"]').replace("#run =", "#")
    assert tomllib.loads(COMMENTED.sub("", filled))["agents"]["alice"]["exec"] == ["true"]


def test_it_is_text_of_a_readable_width() -> None:
    assert all(len(line) <= 100 for line in starter_text().splitlines())
    assert "](" not in starter_text(), "no links"


def test_init_writes_it_and_check_accepts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == ExitStatus.OK
    assert capsys.readouterr().out == f"{tmp_path}/hive.toml\n"
    assert main(["check", "hive.toml"]) == ExitStatus.OK
    (tmp_path / "hive.toml").write_text(COMMENTED.sub("", starter_text()))
    assert main(["check", "hive.toml"]) == ExitStatus.OK, "also with all of it in force"


@pytest.mark.parametrize("name", ["hive.toml", "link.toml"])
def test_init_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    mine = tmp_path / "hive.toml"
    mine.write_text("# mine\n")
    (tmp_path / "link.toml").symlink_to(mine)
    assert main(["init", str(tmp_path / name)]) == ExitStatus.REFUSED
    assert mine.read_text() == "# mine\n"
    assert f"{tmp_path / name} exists and was left as it is" in capsys.readouterr().err


def test_init_says_why_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "no" / "hive.toml")]) == ExitStatus.FAILED
    assert "cannot write" in capsys.readouterr().err
