"""Two variables put the real `nixos-container` and its unit in place of the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testbed import real_nixos


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Variables that name a program and a directory of units, both outside of the store."""
    program = tmp_path / "bin" / "nixos-container"
    units = tmp_path / "units"
    for path in (program, units / real_nixos.UNIT):
        path.parent.mkdir()
        path.touch()
    return {real_nixos.PROGRAM: str(program), real_nixos.UNITS: str(units)}


def test_without_the_variables_nothing_is_shared_and_nothing_is_missing() -> None:
    assert not real_nixos.is_named({})
    assert real_nixos.missing({}) is None
    assert real_nixos.program({}) is real_nixos.units({}) is None
    assert (real_nixos.variables({}), real_nixos.shared_paths({})) == ({}, [])


def test_what_they_name_is_passed_on_and_seen_in_the_host(environ: dict[str, str]) -> None:
    assert real_nixos.missing(environ) is None
    assert real_nixos.variables({**environ, "HOME": "/root"}) == environ
    program, units = Path(environ[real_nixos.PROGRAM]), Path(environ[real_nixos.UNITS])
    assert real_nixos.program(environ) == program
    assert real_nixos.shared_paths(environ) == [program.parent, units]


@pytest.mark.parametrize("only", [real_nixos.PROGRAM, real_nixos.UNITS])
def test_one_of_them_alone_is_a_mistake(environ: dict[str, str], only: str) -> None:
    alone = {only: environ[only]}
    assert "set both" in str(real_nixos.missing(alone))
    assert real_nixos.variables(alone) == {}


def test_a_file_that_does_not_exist_is_named(environ: dict[str, str]) -> None:
    unit = Path(environ[real_nixos.UNITS], real_nixos.UNIT)
    unit.unlink()
    assert str(unit) in str(real_nixos.missing(environ))
