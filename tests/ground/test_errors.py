"""Errors keep their class across the wire."""

from __future__ import annotations

import pytest

from hive.errors import BY_CODE, ErrorCode, FailedError, HiveError, from_wire


@pytest.mark.parametrize("error", BY_CODE.values())
def test_a_code_is_converted_back_to_its_class(error: type[HiveError]) -> None:
    rebuilt = from_wire(error.code.value, "what happened")
    assert type(rebuilt) is error
    assert str(rebuilt) == "what happened"


def test_every_code_has_a_class() -> None:
    assert set(BY_CODE) == {code.value for code in ErrorCode}


@pytest.mark.parametrize("code", [None, "from_the_future"])
def test_an_unknown_code_is_a_plain_failure(code: str | None) -> None:
    assert type(from_wire(code, "x")) is FailedError
