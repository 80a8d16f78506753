"""Recipients of a message, and the reasons of refusals."""

import pytest

from hive.config import Limits
from hive.errors import (
    BadRequestError,
    InboxFullError,
    NotFoundError,
    TooLargeError,
    UnknownNameError,
)
from hive.store import Kind, MessageKind, MessageState
from tests.broker.rig import WALL, Rig


def test_ids_grow_and_the_time_is_the_wall_time() -> None:
    rig = Rig()
    assert rig.send_many(3) == [1, 2, 3]
    message = rig.messages[3]
    assert message.sent_at == WALL
    assert message.state is MessageState.STORED


def test_the_manager_has_an_alias() -> None:
    rig = Rig()
    assert rig.send("manager").recipients == ("hm1nd",)


def test_without_a_manager_the_alias_is_refused() -> None:
    rig = Rig()
    rig.remove_inbox("hm1nd", force=False, purge=False)
    with pytest.raises(UnknownNameError, match="no manager"):
        rig.send("manager")


def test_a_broadcast_goes_to_agents_manager_and_opted_in_peers_but_not_to_its_sender() -> None:
    rig = Rig()
    sent = rig.send("*", sender="bob")
    assert sent.recipients == ("alice", "carol", "hm1nd", "listener")
    assert len(set(sent.ids)) == 4
    assert sent.id == sent.ids[0]
    kinds = {rig.messages[number].kind for number in sent.ids}
    assert kinds == {MessageKind.BROADCAST}


def test_a_broadcast_without_recipients_is_refused() -> None:
    rig = Rig()
    for name in ("bob", "carol", "hm1nd", "listener"):
        rig.remove_inbox(name)
    with pytest.raises(UnknownNameError, match="no other participant receives broadcasts"):
        rig.send("*", sender="alice")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    rig = Rig()
    with pytest.raises(UnknownNameError, match="'carl'; did you mean 'carol'"):
        rig.send("carl")
    with pytest.raises(UnknownNameError, match="did you mean 'operator'"):
        rig.send("operater")


@pytest.mark.parametrize("name", ["system", "reminder"])
def test_names_that_only_send_have_no_inbox(name: str) -> None:
    with pytest.raises(UnknownNameError, match="only sends"):
        Rig().send(name)


def test_the_operator_has_an_inbox_from_the_start() -> None:
    assert Rig().send("operator").recipients == ("operator",)


def test_a_body_over_the_limit_is_refused_with_both_numbers() -> None:
    rig = Rig(Limits(body_bytes=10))
    rig.send(body="x" * 10)
    with pytest.raises(TooLargeError, match=r"11 bytes.*limit is 10"):
        rig.send(body="x" * 11)
    with pytest.raises(TooLargeError, match="12 bytes"):
        rig.send(body="ä" * 6)


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(BadRequestError, match="character 2"):
        Rig().send(body="ab\ud800")
    with pytest.raises(BadRequestError, match="character 0"):
        Rig().send(label="\ud800")


def test_a_full_inbox_refuses_with_both_numbers_and_stores_nothing() -> None:
    rig = Rig(Limits(inbox_messages=2))
    rig.send_many(2)
    with pytest.raises(InboxFullError, match="2 of 2 messages"):
        rig.send()
    assert rig.rules.table.inboxes["bob"].unread == 2
    assert rig.rules.table.last_id == 2


def test_leased_messages_count_until_they_are_acked() -> None:
    rig = Rig(Limits(inbox_messages=1))
    rig.send()
    session = rig.session()
    [held] = rig.take(session)
    with pytest.raises(InboxFullError):
        rig.send()
    rig.ack(session, held)
    rig.send()


@pytest.mark.parametrize("kind", [Kind.OPERATOR, Kind.SYSTEM])
def test_operator_and_system_are_exempt_from_the_count(kind: Kind) -> None:
    rig = Rig(Limits(inbox_messages=1))
    rig.send()
    rig.send(sender_kind=kind)
    assert rig.rules.table.inboxes["bob"].unread == 2


@pytest.mark.parametrize("kind", [Kind.AGENT, Kind.MANAGER, Kind.PEER])
def test_participants_fill_the_bytes_of_an_inbox_and_no_more(kind: Kind) -> None:
    rig = Rig(Limits(inbox_bytes=10))
    rig.send(body="123456")
    with pytest.raises(InboxFullError, match=r"6 of 10 bytes.*has 5"):
        rig.send(body="12345", sender="carol", sender_kind=kind)
    rig.send(body="1234", sender="carol", sender_kind=kind)


def test_a_broadcast_skips_full_inboxes_and_says_so() -> None:
    rig = Rig(Limits(inbox_messages=1))
    rig.send("carol")
    sent = rig.send("*")
    assert sent.recipients == ("bob", "hm1nd", "listener")
    assert [skipped.name for skipped in sent.skipped] == ["carol"]
    assert "1 of 1 message" in sent.skipped[0].reason


def test_a_broadcast_that_finds_every_inbox_full_is_refused() -> None:
    rig = Rig(Limits(inbox_messages=0))
    with pytest.raises(InboxFullError):
        rig.send("*")


def test_a_reply_must_name_a_message_that_was() -> None:
    rig = Rig()
    with pytest.raises(NotFoundError, match="no message 1 "):
        rig.send(in_reply_to=1)
    first = rig.send().ids[0]
    reply = rig.send("alice", sender="bob", in_reply_to=first).ids[0]
    assert rig.messages[reply].in_reply_to == first


def test_a_transient_message_is_stored_only_if_a_receiver_waits() -> None:
    rig = Rig()
    assert rig.send(transient=True).id is None
    assert rig.rules.table.inboxes["bob"].unread == 0
    waiting = rig.recv(rig.session(), wait=5)
    assert rig.ids(waiting) is None
    assert rig.send(transient=True).ids == tuple(rig.ids(waiting) or ())


def test_a_transient_message_ignores_cancelled_receivers_and_paused_inboxes() -> None:
    rig = Rig()
    waiting = rig.recv(rig.session(), wait=5)
    rig.rules.pause_inbox("bob", True, rig.now)
    assert rig.send(transient=True).id is None
    rig.rules.pause_inbox("bob", False, rig.now)
    waiting.expired = True
    assert rig.send(transient=True).id is None
