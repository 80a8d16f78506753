"""Hostile requests are made of every verb, valid ones, and at the limits of their types."""

from __future__ import annotations

import json
from itertools import islice
from random import Random
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import inspect

from hive.wire.agent import ManagerRequest, Send, Whoami
from hive.wire.base import LINE_MAX, Request
from tests.adversary.values import (
    AGENT_VERBS,
    FRESH,
    MANAGER_VERBS,
    NAMES,
    is_valid,
    lines,
    stores_text,
    values,
    with_fresh,
)

NEW_TEXT_MAX = 77


class New(Request, tag="new", kw_only=True, frozen=True):
    """A verb that nobody has thought of."""

    word: Annotated[str, msgspec.Meta(min_length=1, max_length=NEW_TEXT_MAX)]
    many: Annotated[dict[str, int], msgspec.Meta(max_length=9)]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


def decoded(kind: type[Request]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(kind, Random(1), 60)]


@pytest.mark.parametrize("kind", [*AGENT_VERBS, *MANAGER_VERBS], ids=lambda kind: kind.__name__)
def test_each_verb_has_valid_lines(kind: type[Request]) -> None:
    found = lines(kind, Random(1))
    assert all(is_valid(line, ManagerRequest) for line in found)
    assert len(found) > 10
    assert max(map(len, found)) < LINE_MAX
    assert len(found[0]) < 100, "the first is short"


def test_a_new_verb_is_attacked_at_its_limits() -> None:
    found = decoded(New)
    assert max(len(each["word"]) for each in found) == NEW_TEXT_MAX
    assert max(len(each["many"]) for each in found) == 9
    assert {1.0} <= {each["share"] for each in found if "share" in each}
    assert any("\x01" * 30 in each["word"] for each in found)


def test_a_message_has_the_longest_body_and_longer_ones() -> None:
    lengths = {len(each["body"].encode()) for each in decoded(Send)}
    assert 64 << 10 in lengths
    assert max(lengths) > 64 << 10
    assert len({each["to"] for each in decoded(Send)} & set(NAMES)) > 4


def test_verbs_that_store_texts_are_known() -> None:
    assert stores_text(Send)
    assert not stores_text(Whoami)


def test_what_is_fresh_is_new_each_time() -> None:
    line = f'{{"key":"{FRESH}"}}'.encode()
    assert {with_fresh(line, number) for number in (1, 2)} == {
        b'{"key":"00000001"}',
        b'{"key":"00000002"}',
    }


def test_a_type_that_nobody_has_thought_of_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="RawType"):
        list(islice(values(inspect.type_info(msgspec.Raw), Random(1)), 1))
