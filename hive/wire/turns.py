"""The operator's verbs about turns, questions and accounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import Id, Name, Request


class Turns(Request, tag="turns", kw_only=True, frozen=True):
    """The newest turns of an agent, oldest first."""

    name: Name
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20


class Watch(Request, tag="watch", kw_only=True, frozen=True):
    """The newest `max` live events of a participant's turns, then each new one."""

    name: Name
    max: Annotated[int, msgspec.Meta(ge=0, le=200)] = 20


class CancelTurn(Request, tag="cancel_turn", kw_only=True, frozen=True):
    """Have a harness interrupt the turn that is under way."""

    name: Name


class NewSession(Request, tag="new_session", kw_only=True, frozen=True):
    """Have a harness begin its next turn without what was said before."""

    name: Name


class ListQuestions(Request, tag="questions", kw_only=True, frozen=True):
    """The questions that are open, oldest first; with `all`, the newest whatever became of them."""

    all: bool = False
    max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class AnswerQuestion(Request, tag="answer", kw_only=True, frozen=True):
    """Answer a question as the operator, whoever it was put to."""

    id: Id
    answer: str


class ListLimits(Request, tag="limits", frozen=True):
    """The accounts that are used up, until when, and who shares them."""


class ClearLimit(Request, tag="clear_limit", kw_only=True, frozen=True):
    """Take it that an account can be used again, and tell all who share it."""

    account: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
