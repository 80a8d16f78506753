"""What was refused because of the rate is sent later, and other refusals are raised."""

import pytest

from hive.client.agent import until_taken
from hive.errors import BadRequestError, HiveError, RateLimitedError, UnavailableError

pytestmark = pytest.mark.sim


async def test_a_request_is_repeated_until_the_rate_allows_it() -> None:
    refusals: list[HiveError] = [RateLimitedError("slow"), UnavailableError("down")]

    async def request() -> str:
        if refusals:
            raise refusals.pop()
        return "taken"

    assert await until_taken(request) == "taken"


async def test_a_refusal_that_time_does_not_mend_is_raised() -> None:
    async def request() -> None:
        raise BadRequestError("never")

    with pytest.raises(BadRequestError):
        await until_taken(request)
