"""Renaming: an inbox, its mail and its open questions get the name that its participant gets.

The rows on disk and the memory of the broker change with one commit. Its former name stays the
sender of what it has sent, and its dedupe keys are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from hive.broker.effects import FromDisk
from hive.broker.messages import supersede_key_of
from hive.broker.questions import QuestionRules
from hive.broker.rules import Rules
from hive.broker.sessions import Decide, Session
from hive.broker.values import Moment, RenameInbox, Token, Value
from hive.errors import ConflictError
from hive.quantities import counted
from hive.store.transaction import Committed


class RenameRules:
    """Decides about the renaming of inboxes.

    Args:
        rules: The rules of delivery.
        question_rules: The rules about questions and reminders.
    """

    def __init__(self, rules: Rules, question_rules: QuestionRules) -> None:
        self._rules = rules
        self._question_rules = question_rules

    def decisions(self) -> Mapping[type, Decide]:
        """Return the method that decides about each type of request."""
        return {RenameInbox: self.rename}

    def rename(self, session: Session, request: RenameInbox, token: Token, now: Moment) -> None:
        """Rename an inbox, and change what the request has besides, in one transaction.

        From now on it has no participant; whoever asked adds that again, under the new name, or the
        old one if the commit fails.

        Raises:
            ConflictError: It is connected or in a loop, or mail waits under the new name.
        """
        old, new = request.old, request.new
        self._require_possible(old, new)
        self._rename_inbox(old, new)
        self._question_rules.rename(old, new)

        def committed(groups: Mapping[str, frozenset[str]]) -> Value:
            self._rules.sending.groups = groups
            return {}

        effects = self._rules.table.effects
        # Without a savepoint: if it fails, so does the commit, and memory is read from disk again.
        effects.changes.others.append(lambda connection: Committed(request.also(connection)))
        answer = FromDisk(len(effects.changes.others) - 1, committed)
        effects.answers.append((session, token, answer, True))

    def _require_possible(self, old: str, new: str) -> None:
        table = self._rules.table
        if any(each.name == old for each in table.sessions.values()):
            raise ConflictError(f"{old!r} is connected; nothing was renamed")
        pairs = [each for each in self._rules.sending.guard.tripped if old in each]
        if pairs:
            one, other = pairs[0]
            raise ConflictError(
                f"mail between {one!r} and {other!r} is held back because they looped; "
                f"'hive-c0re reset-loop {one} {other}' ends that, then rename"
            )
        there = table.inboxes.get(new)
        if there is not None and (there.kind is not None or there.unread):
            raise ConflictError(
                f"a former participant {new!r} has {counted(there.unread, 'unread message')}; "
                f"choose another name, or 'hive-c0re discard --inbox {new}' ends them"
            )

    def _rename_inbox(self, old: str, new: str) -> None:
        table = self._rules.table
        inbox = table.inbox(old)
        self._rules.leave_turns(inbox)
        table.inboxes.pop(new, None)
        table.inboxes[new] = table.inboxes.pop(old)
        inbox.rename(new)
        inbox.kind = None
        numbers = {new: table.numbers.pop(old, 0), old: table.numbers.pop(new, 0)}
        if not numbers[new]:  # it never had a message, so it gets the row of the new name
            numbers = {new: numbers[old], old: 0}
        inbox.number = numbers[new]
        table.numbers.update({name: number for name, number in numbers.items() if number})
        for message in table.messages.values():
            if message.inbox == old:
                before = supersede_key_of(message)
                message.inbox = new
                if message.supersede_key is not None and before in table.keyed:
                    table.keyed[supersede_key_of(message)] = table.keyed.pop(before)
        table.rename_ended(old, new)
