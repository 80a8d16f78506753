"""What participants leave open: questions to each other, and reminders to themselves.

A reminder is a message that is not due yet. Everywhere here, `now` is the moment of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from hive.broker import requests
from hive.broker.asking import Asking, Gone
from hive.broker.rules import Rules
from hive.broker.values import Draft, Moment, Receiver
from hive.clock import rfc3339
from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    InboxFullError,
    NotAllowedError,
    NotFoundError,
)
from hive.names import REMINDER
from hive.store import Kind, Message, MessageKind
from hive.store.messages import one
from hive.store.questions import Question
from hive.store.unit import Op
from hive.wire.words import LooseEnd

R = TypeVar("R", bound=Receiver)

PENDING_MAX = 50
"""Most reminders of one participant that are still to come."""


class LooseEnds(Generic[R]):
    """Decides about questions and reminders, in memory; what it changes is written afterwards.

    Args:
        rules: The rules of delivery, which carry what is said.
    """

    def __init__(self, rules: Rules[R]) -> None:
        self._rules = rules
        self.asking = Asking(rules)
        self._reminders: dict[str, set[int]] = {}
        self._table: Mapping[type, Callable[[Any, Moment], object]] = {
            requests.Ask: self.asking.ask,
            requests.AnswerQuestion: self.asking.answer,
            requests.Remind: self._remind,
            requests.Cancel: self._cancel,
        }

    @property
    def served(self) -> tuple[type, ...]:
        """The requests that are served here."""
        return tuple(self._table)

    def handle(self, request: object, now: Moment) -> object:
        """Serve one request; return its answer, or `Gone`.

        Raises:
            HiveError: When nothing was changed, with the reason.
        """
        return self._table[type(request)](request, now)

    def pending(self, name: str) -> int:
        """Return how many reminders of a participant are still to come."""
        ids = self._reminders.get(name)
        if ids is None:
            return 0
        ids.intersection_update([number for number in ids if number in self._rules.mail.deferred])
        if not ids:
            del self._reminders[name]
        return len(ids)

    def load(self, found: Iterable[Question]) -> None:
        """Take over the questions on disk, and look through the mail for reminders."""
        self.asking.questions.load(found)
        self._reminders.clear()
        mail = self._rules.mail
        for message in mail.messages.values():
            if message.kind is MessageKind.REMINDER and message.id in mail.deferred:
                self._reminders.setdefault(message.inbox, set()).add(message.id)

    def _remind(self, request: requests.Remind, now: Moment) -> int:
        if self.pending(request.name) >= PENDING_MAX:
            raise InboxFullError(
                f"{request.name!r} has {PENDING_MAX} reminders to come and {PENDING_MAX} are "
                "allowed; nothing was stored: cancel some first"
            )
        rates = self._rules.intake.rates
        rates.spend(request.name, now.loop)
        draft = Draft(
            REMINDER,
            Kind.SYSTEM,
            request.name,
            request.message,
            kind=MessageKind.REMINDER,
            delay=request.delay,
            not_before=request.at,
            origin=request.origin,
        )
        try:
            number = self._rules.send(draft, now).ids[0]
        except HiveError:
            rates.give_back(request.name)
            raise
        self._reminders.setdefault(request.name, set()).add(number)
        return number

    def _cancel(self, request: requests.Cancel, now: Moment) -> Gone | None:
        if request.what is LooseEnd.QUESTION:
            return self.asking.cancel(request, now)
        message = self._rules.mail.messages.get(request.id)
        if message is None:
            return Gone(_why_not_cancelled(request))
        _require_own(message, request)
        if not self._rules.take_back(message.id, f"cancelled by {request.name}", now):
            raise ConflictError(
                f"{request.what.value} {message.id} was delivered to {message.inbox!r} at "
                f"{rfc3339(message.leased_at or now.wall)}; it cannot be taken back any more"
            )
        return None


def _why_not_cancelled(request: requests.Cancel) -> Op[HiveError]:
    def look(connection: Any) -> HiveError:
        found = one(request.id)(connection)
        try:
            _require_own(found, request)
        except HiveError as error:
            return error
        assert found is not None
        when = rfc3339(found.ended_at or found.sent_at)
        return ConflictError(
            f"{request.what.value} {found.id} is {found.state.value} since {when}; "
            "there is nothing to cancel"
        )

    return look


def _require_own(message: Message | None, request: requests.Cancel) -> None:
    """Refuse to cancel what is not the participant's own, or not of that kind."""
    what = request.what.value
    is_reminder = message is not None and message.kind is MessageKind.REMINDER
    if message is None or is_reminder != (request.what is LooseEnd.REMINDER):
        raise NotFoundError(f"there is no {what} {request.id}")
    owner = message.inbox if is_reminder else message.sender
    if owner != request.name:
        raise NotAllowedError(f"{what} {message.id} is not yours; only its owner may cancel it")
    if message.kind is MessageKind.QUESTION:
        raise BadRequestError(f"message {message.id} is a question; cancel it with kind 'question'")
