"""What a lost connection means for each outstanding request."""

import asyncio

from hive.client.channel import Call, Calls, Repeat


def call(req: int, repeat: Repeat, *, written: bool) -> Call:
    future = asyncio.get_running_loop().create_future()
    return Call(req, b"", future, repeat, 30.0, written)


async def test_a_lost_connection_fails_only_what_was_written_and_may_not_be_repeated():
    send = call(1, Repeat.UNWRITTEN, written=True)
    recv = call(2, Repeat.ALWAYS, written=True)
    late = call(3, Repeat.UNWRITTEN, written=False)
    calls = Calls({each.req: each for each in (send, recv, late)})
    assert calls.lose_connection() == ((send,), (recv,))
    assert calls.unwritten() == (recv, late)
    assert list(calls) == [recv, late]


async def test_a_cancelled_request_is_forgotten_and_not_repeated():
    recv = call(1, Repeat.ALWAYS, written=True)
    recv.future.cancel()
    calls = Calls({1: recv})
    assert calls.lose_connection() == ((recv,), ())
    assert len(calls) == 0


async def test_only_a_number_that_is_waited_for_takes_a_call():
    recv = call(1, Repeat.ALWAYS, written=True)
    calls = Calls({1: recv})
    assert [calls.take(req) for req in (None, "1", 2, [1])] == [None] * 4
    assert calls.take(1) is recv
    assert calls.take(1) is None
