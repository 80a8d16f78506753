"""The manual pages: complete, and without a warning of mandoc or groff."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from hive.cli.main import VERBS
from hive.cli.program import cli
from hive.command_lines import CONTEXT
from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus
from hive.harness.cli.verb_groups import agent, manager
from hive.man_pages import EXIT_STATUSES, PROGRAMS, page, write_pages
from tests.check_docs import ROOT

NOW = 1_777_640_400.0

GROUPS = {"hive-c0re": cli, "hive-ag3nt": agent, "hive-m1nd": manager}


@pytest.fixture(scope="module", name="pages")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = write_pages(tmp_path_factory.mktemp("man"), NOW)
    return {path.stem: path for path in made}


WITH_FEW_PACKAGES = """
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

DECLARED = {"hyperhive", *sys.argv[2:]}
OTHERS = {name for name, found in packages_distributions().items() if not DECLARED & set(found)}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in OTHERS:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
from hive.shared_files import made_files
print(len(made_files(Path(sys.argv[1]), 0.0)))
"""


def test_a_build_makes_them_with_what_it_declares(tmp_path: Path) -> None:
    """`pip install` builds a wheel where only these packages are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    names = [needed.partition(">")[0] for needed in hook["dependencies"]]
    words = [sys.executable, "-c", WITH_FEW_PACKAGES, str(tmp_path), *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(PROGRAMS)


def shown(path: Path) -> str:
    """Return a page as plain text, as a terminal shows it."""
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-cbou", path], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "command",
    [("mandoc", "-T", "lint", "-W", "warning"), ("groff", "-man", "-ww", "-z")],
    ids=["mandoc", "groff"],
)
def test_a_page_has_no_mistake(pages, program, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, pages[program]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_page_has_every_verb_with_its_options_and_examples(pages, program):
    group = GROUPS[program]
    context = click.Context(group, info_name=program)
    text = " ".join(shown(pages[program]).split())
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        usage = " ".join([verb, *command.collect_usage_pieces(click.Context(command, **CONTEXT))])
        assert usage in text
        for option in command.params:
            assert all(name in text for name in option.opts if name.startswith("-"))
        for line in (command.epilog or "").splitlines()[2:]:
            assert " ".join(line.split()) in text


def test_the_operators_page_has_the_groups_of_the_help():
    titles = re.findall(r'^\.SS "(.*)"$', page(cli, "hive-c0re", NOW), re.MULTILINE)
    assert titles == [title for title, _ in cli.groups(click.Context(cli))]
    assert sum(len(verbs) for _, verbs in cli.groups(click.Context(cli))) == len(VERBS)


def test_every_exit_status_is_named():
    assert list(EXIT_STATUSES) == [*ExitStatus, INTERRUPTED, BROKEN_PIPE]


def test_the_date_is_that_of_the_build_and_all_else_the_same():
    first, second = (page(agent, "hive-ag3nt", NOW + day * 86_400) for day in (0, 1))
    assert '"2026-05-01"' in first
    assert first.replace("2026-05-01", "2026-05-02") == second


def test_no_text_of_a_verb_is_a_request_of_troff():
    @click.command(help=".SH a\n\n'b \\n c\u2026")
    def odd() -> None:
        """Do nothing."""

    group = type(cli)("x", help="Odd.", commands={"odd": odd})
    group.groups = lambda ctx: [("All", ["odd"])]
    group.get_command = lambda ctx, name: odd
    lines = page(group, "x", NOW).splitlines()
    assert "\\&.SH a" in lines
    assert "\\&'b \\en c\\[u2026]" in lines


def test_the_programs_are_those_of_the_package():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    section = text.partition("[project.scripts]\n")[2].partition("\n\n")[0]
    assert [line.partition(" ")[0] for line in section.splitlines()] == list(PROGRAMS)
