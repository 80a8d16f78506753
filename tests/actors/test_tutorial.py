"""The tutorial's examples run as they stand, have the right types, and name what there is."""

import re
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path

import pytest

import actors
from tests.check_docs import lines
from tests.support.examples import examples, is_test, run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "actors.md"
EXAMPLES = examples(PAGE)
PROGRAMS = [example for example in EXAMPLES if not is_test(example)]
TESTS = [example for example in EXAMPLES if is_test(example)]


def test_the_page_has_programs_and_a_test() -> None:
    assert len(PROGRAMS) >= 2
    assert TESTS


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_of_the_page_runs(program: str, tmp_path: Path) -> None:
    assert "assert " in program
    (tmp_path / "program.py").write_text(program)
    run("program.py", cwd=tmp_path)


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for number, example in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(example)
    options = ["--disable-plugin-autoload", "-p", "no:cacheprovider"]
    assert f"{len(TESTS)} passed" in run("-m", "pytest", *options, cwd=tmp_path)


def test_the_types_of_the_examples_are_right(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    names = [f"example_{number}.py" for number in range(len(EXAMPLES))]
    for name, example in zip(names, EXAMPLES, strict=True):
        (tmp_path / name).write_text(example)
    output = run(
        *("-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", *names),
        cwd=tmp_path,
        options=(),  # warnings of mypy's own code are none of ours
        environment={"MYPYPATH": str(ROOT)},  # mypy does not look into PYTHONPATH
    )
    assert f"no issues found in {len(EXAMPLES)} source files" in output


def test_the_terms_of_the_page_are_names_of_the_library() -> None:
    table = [line.text for line in lines(PAGE.read_text()) if line.text.startswith("| ")]
    names = re.findall(r"`([A-Z][\w.]*)`", "\n".join(table))
    assert len(names) >= len(table) - 1  # the heading names nothing
    for name in names:
        owner = name.partition(".")[0]
        assert owner in actors.__all__, f"actors has no {owner}"
        if name != "Ref":
            attrgetter(name)(actors)
