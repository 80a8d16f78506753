"""The bodies of the messages between the bot and the reviewer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

BOT = "bot"
REVIEWER = "reviewer"


@dataclass(frozen=True)
class Review:
    """The review of a version, requested (no verdict yet) or done."""

    version: str
    requester: str
    request: int
    approved: bool | None = None

    def to_body(self) -> str:
        """Return the review as the body of a message."""
        return json.dumps(asdict(self))

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Return the review in the body of a message."""
        return cls(**json.loads(body))
