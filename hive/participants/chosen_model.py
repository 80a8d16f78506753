"""The model and the effort that an operator has chosen for an agent, as its record keeps them."""

from __future__ import annotations

import json

from attrs import frozen

from hive.names import CLAUDE_DRIVER
from hive.participants.participant import Agent
from hive.wire.harness import Activity


@frozen
class ChosenModel:
    """A choice; None is what the configuration says.

    Attributes:
        model: The model.
        effort: The effort.
    """

    model: str | None = None
    effort: str | None = None

    @property
    def text(self) -> str:
        """It as a record has it."""
        return json.dumps([self.model, self.effort])


NOTHING_CHOSEN = ChosenModel()


def kept_choice(agent: Agent) -> ChosenModel | None:
    """Return what was chosen for an agent; None if nothing ever was, or its driver has no model.

    A choice that was taken back is one, too: its harness may not know that yet.
    """
    text = agent.record.model_choice
    if text is None or agent.settings.driver != CLAUDE_DRIVER:
        return None
    return ChosenModel(*json.loads(text))


def shown_choice(agent: Agent, activity: Activity | None) -> ChosenModel:
    """Return what status rows show: what is kept, else what the harness reports."""
    reported = NOTHING_CHOSEN if activity is None else choice_in(activity)
    return kept_choice(agent) or reported


def choice_in(activity: Activity) -> ChosenModel:
    """Return the choice that a harness reports."""
    return ChosenModel(activity.chosen_model, activity.chosen_effort)
