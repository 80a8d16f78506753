"""What the bot and the reviewer write to each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

BOT = "bot"
REVIEWER = "reviewer"


@dataclass(frozen=True)
class Review:
    """The review of a version, asked for (no verdict yet) or done."""

    version: str
    requester: str
    request: int
    approved: bool | None = None

    def to_body(self) -> str:
        """Return the body of a message that carries this review."""
        return json.dumps(asdict(self))

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Return the review that a message carries."""
        return cls(**json.loads(body))
