"""The check of the documentation: each kind of untruth is found, with its place."""

from pathlib import Path

import click
import pytest

from tests import check_docs
from tests.check_docs import ROOT, Programs, check, our_programs


@click.group("hive-c0re")
@click.option("--verbose", is_flag=True)
def hive_c0re(verbose: bool) -> None:
    """Stand in for the real program."""


@hive_c0re.command("send")
@click.option("--to")
@click.option("--loud/--quiet")
def send(to: str, loud: bool) -> None:
    """Stand in for a verb."""


@hive_c0re.group("peer")
def peer() -> None:
    """Stand in for a verb with verbs of its own."""


@peer.command("add")
def add() -> None:
    """Stand in for such a verb."""


PROGRAMS = Programs(targets=frozenset({"run", "test"}), command={"hive-c0re": hive_c0re}.get)

TESTS = """
def test_one(): pass
async def test_two(): pass
class TestThree:
    def test_four(self): pass
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# The guide\n\n## What's `new` in 1.0?\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS)
    (tmp_path / "README.md").write_text(text)
    return [str(problem) for problem in check(tmp_path, PROGRAMS)]


@pytest.mark.parametrize(
    "text",
    [
        "[guide](docs/guide.md) and [tests](tests) and ![image](https://example.org/x.png)",
        "[guide](docs/guide.md#the-guide), [news](docs/guide.md#whats-new-in-10)",
        "# Here\n[here](#here) [mail](mailto:a@example.org)",
        "[guide]: docs/guide.md",
        "Write `[text](target.md)` for a link.",
        "```\n[text](target.md)\n```",
        "~~~~md\n~~~\n[text](target.md)\n~~~~",
        "see `tests/test_it.py`, `tests/test_it.py::test_one` and tests/test_it.py::test_two.",
        "tests/test_it.py::TestThree::test_four",
        "```sh\nhive-c0re send --to=bob --quiet alice\n```",
        "```console\n$ hive-c0re --verbose send --to bob -- --not-an-option\n```",
        "```console\n# sudo hive-c0re peer add damocles\n```",
        "```console\n$ hive-c0re send --to bob 'it' | grep --color it  # --x\nit's done\n```",
        "```sh\nmake run\nPORT=1 make -j2 test VENV=.x && echo make nothing\n```",
        "```\nhive-c0re nonsense\n```",
        "```python\nmake = nonsense\n```",
        "```sh\n# make sure that it runs\nhive-c0re\n```",
    ],
)
def test_what_is_true_is_accepted(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n[x](docs/none.md)", "2: the link to docs/none.md leads nowhere"),
        ("[x]: none.md", "1: the link to none.md leads nowhere"),
        ('<img src="demo.gif">', "1: the link to demo.gif leads nowhere"),
        (
            "[x](docs/guide.md#none)",
            "1: the link to docs/guide.md#none leads to no heading of guide.md",
        ),
        ("```\n# no\n```\n[x](#no)", "4: the link to #no leads to no heading of README.md"),
        ("`tests/none.py::test_one`", "1: there is no test file tests/none.py"),
        (
            "`tests/test_it.py::test_four`",
            "1: there is no test tests/test_it.py::test_four",
        ),
        (
            "```text\ntests/test_it.py::TestThree::test_one\n```",
            "2: there is no test tests/test_it.py::TestThree::test_one",
        ),
        ("```sh\nhive-c0re sned bob\n```", "2: hive-c0re has no verb sned"),
        ("```console\n$ hive-c0re peer ad\n```", "2: hive-c0re peer has no verb ad"),
        (
            "```sh\nsudo hive-c0re send \\\n  --too bob\n```",
            "3: hive-c0re send has no option --too",
        ),
        ("```sh\nmake tests\n```", "2: make has no target tests"),
    ],
)
def test_what_is_untrue_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [f"README.md:{problem}"]


def test_every_page_is_checked(tmp_path: Path) -> None:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    for page in ("README.md", "CHANGELOG.md", "docs/a.md", "docs/deep/b.md"):
        (tmp_path / page).write_text("[x](none.md)")
    found = [str(problem.page) for problem in check(tmp_path, PROGRAMS)]
    assert found == ["README.md", "CHANGELOG.md", "docs/a.md", "docs/deep/b.md"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`service.py`, `broker/service.py`, `broker/service`, `broker/service.Commit`", []),
        ("`broker/`, `broker`, `hive/broker/`, `make run`, `host.sock`, `agents/<name>/x`", []),
        ("`sevice.py`", ["there is no module sevice.py"]),
        ("`broker/sevice`", ["there is no module broker/sevice"]),
        (
            "`roker/` and `other/service`",
            ["there is no module roker/", "there is no module other/service"],
        ),
        ("`broker/service.Comit`", ["broker/service defines no Comit"]),
    ],
)
def test_the_page_about_the_architecture_names_modules_that_exist(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    (tmp_path / "hive/broker").mkdir(parents=True)
    (tmp_path / "hive/broker/service.py").write_text("class Commit: pass\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_text(text)
    (tmp_path / "docs/guide.md").write_text(text)
    found = [str(problem) for problem in check(tmp_path, PROGRAMS)]
    assert found == [f"docs/architecture.md:1: {problem}" for problem in expected]


def test_our_programs_are_those_of_this_project() -> None:
    ours = our_programs(ROOT)
    assert {"run", "test", "check"} <= ours.targets
    assert "READY" not in ours.targets
    assert ours.command("ls") is None
    command = ours.command("hive-c0re")
    assert isinstance(command, click.Group)
    assert command.get_command(click.Context(command), "send")


def test_a_program_without_a_command_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project.scripts]\nprog = "json:dumps"\n')
    with pytest.raises(LookupError, match="json has no click command named 'prog'"):
        our_programs(tmp_path).command("prog")


def test_main_prints_each_problem_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Makefile").write_text("")
    (tmp_path / "pyproject.toml").write_text("[project.scripts]\n")
    (tmp_path / "README.md").write_text("[x](none.md)\n\n[y](none.md)\n")
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    assert check_docs.main() == 1
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "README.md:1",
        "README.md:3",
    ]
    (tmp_path / "README.md").write_text("All is well.\n")
    assert check_docs.main() == 0
