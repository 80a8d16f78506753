"""A name that nobody has or had is refused where stored mail is filtered by it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hive import Hive
from tests.support.hives import Line, connected

pytestmark = pytest.mark.sim


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


@pytest.mark.parametrize(
    ("verb", "key"),
    [
        *(("search", "sender"), ("search", "inbox")),
        *(("dead_letters", "sender"), ("dead_letters", "inbox")),
    ],
)
async def test_an_unknown_name_is_refused_and_a_known_one_may_have_no_mail(
    operator: Line, verb: str, key: str
) -> None:
    code, error = await operator.refused(verb, **{key: "nobody"})
    assert (code, "'nobody'" in error) == ("unknown_name", True)
    assert (await operator.ok(verb, **{key: "alice"}))["messages"] == []
