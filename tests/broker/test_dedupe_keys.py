"""Dedupe keys: how many one sender may use, and when they are over."""

import pytest

from hive.broker.dedupe_keys import DedupeKeys
from hive.broker.values import Moment
from hive.config import Limits
from hive.errors import RateLimitedError
from hive.store import Kind
from hive.store.messages import UsedKey
from hive.wire.rows import Stored
from tests.broker.rig import Rig

SMALL = Limits(dedupe_keys=2, dedupe_window=100.0)


def test_a_sender_with_too_many_keys_is_refused_until_the_oldest_is_over() -> None:
    rig = Rig(SMALL)
    rig.send(dedupe_key="a")
    rig.time = 40
    rig.send(dedupe_key="b")
    with pytest.raises(RateLimitedError, match=r"used 2 dedupe keys within 100 s and 2 .* in 60 s"):
        rig.send(dedupe_key="c")
    assert rig.rules.table.last_id == 2
    assert rig.send(dedupe_key="a").duplicate, "a repeat needs no room"
    rig.send()
    rig.send(dedupe_key="c", sender="carol")
    rig.time = 100
    rig.send(dedupe_key="c")
    with pytest.raises(RateLimitedError, match="over in 40 s"):
        rig.send(dedupe_key="d")


def test_the_operator_may_use_any_number() -> None:
    rig = Rig(SMALL)
    sent = [
        rig.send(dedupe_key=key, sender="operator", sender_kind=Kind.OPERATOR).ids[0]
        for key in "abcda"
    ]
    assert len(set(sent[:4])) == 4
    assert sent[4] == sent[0], "each is remembered"


def test_a_key_of_a_refused_message_is_not_remembered() -> None:
    rig = Rig(Limits(dedupe_keys=2, sender_messages=1))
    rig.send()
    for key in "abc":
        with pytest.raises(Exception, match="share of 'alice'"):
            rig.send(dedupe_key=key)
    assert not rig.rules.sending.keys.senders


def test_keys_whose_window_is_over_cost_nothing_also_those_of_a_silent_sender() -> None:
    keys = DedupeKeys(100.0, 2)
    keys.record("alice", "a", Stored(ok=True, id=1, recipients=("bob",)), 0.0)
    keys.record("carol", "c", Stored(ok=True, id=2, recipients=("bob",)), 50.0)
    assert keys.find("carol", "x", 100.0) is None
    assert list(keys.senders) == ["carol"]
    keys.require_room("alice", 100.0)


def test_more_keys_than_are_allowed_may_be_loaded() -> None:
    keys = DedupeKeys(100.0, 1)
    used = [UsedKey("alice", key, number, "bob", 0.0) for number, key in enumerate("abc", 1)]
    keys.load([*used, UsedKey("alice", "c", 4, "carol", 0.0)], Moment(loop=0.0, wall=0.0))
    found = keys.find("alice", "c", 1.0)
    assert found is not None
    assert (found.id, found.recipients, found.duplicate) == (3, ("bob", "carol"), True)
    with pytest.raises(RateLimitedError, match="used 3 dedupe keys"):
        keys.require_room("alice", 1.0)


def test_a_key_that_is_loaded_counts_for_the_rest_of_its_window() -> None:
    keys = DedupeKeys(100.0, 9)
    used = [
        UsedKey("alice", key, 1, "bob", at) for key, at in (("old", 940.0), ("to come", 2000.0))
    ]
    keys.load(used, Moment(loop=5.0, wall=1000.0))
    assert keys.find("alice", "old", 44.0) is not None
    assert keys.find("alice", "old", 45.0) is None
    assert keys.find("alice", "to come", 104.0) is not None, "of a clock that was ahead"
    assert keys.find("alice", "to come", 105.0) is None
