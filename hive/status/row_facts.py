"""What status rows have besides the state, collected once for all rows of a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.participants.participant import Agent
from hive.status.day_usage import DayTotal, DayUsage
from hive.status.resource_samples import ResourceSamples, Sample
from hive.status.tiers import Tier
from hive.store.approvals import Approval
from hive.wire.harness import Activity


@frozen
class RowFacts:
    """The facts at one moment, by participant; one that has none is missing.

    Attributes:
        asked: Wall time since which a question or an approval of it waits for the operator.
        usage: What its turns used today.
        samples: What it uses of memory and processors.
    """

    asked: Mapping[str, float]
    usage: Mapping[str, DayTotal]
    samples: Mapping[str, Sample]


@frozen
class RowSources:
    """Where the facts come from.

    Attributes:
        mail: Knows the open questions.
        pending: Returns the approvals that wait for the operator.
        usage: The totals of today.
        samples: The samples of memory and processors.
    """

    mail: MailQueries
    pending: Callable[[], Iterable[Approval]]
    usage: DayUsage
    samples: ResourceSamples

    def collect(self) -> RowFacts:
        """Return the facts of this moment."""
        return RowFacts(self._asked(), self.usage.totals(), self.samples.latest)

    def _asked(self) -> dict[str, float]:
        """An approval is that of its subject, and that of who asked for it."""
        found = self.mail.asked_operator()
        for approval in self.pending():
            for name in (approval.name, approval.requested_by):
                found[name] = min(found.get(name, approval.requested_at), approval.requested_at)
        return found


def tier_since(
    tier: Tier, asked: float | None, activity: Activity | None, since: float | None
) -> float | None:
    """Return the wall time since which a participant is in its tier; None if that is unknown.

    Args:
        tier: The tier.
        asked: Since when it waits for the operator's answer; None if it does not.
        activity: What its harness reports; None while that is unknown, or after its end.
        since: Begin of its state.
    """
    if tier is Tier.WAITING and asked is not None:
        return asked
    return since if activity is None or tier is Tier.STOPPED else activity.since


def cause_of_failure(agent: Agent) -> str | None:
    """Return why an agent that is down against the operator's will is so, in words."""
    if agent.start_error is not None:
        return agent.start_error
    return agent.ended.cause if agent.ended is not None else None
