"""The states of actors and of supervised children."""

from enum import Enum


class ActorState(Enum):
    """Where an actor stands."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It is on its way down."""
    WAITING = "waiting"
    """It is down between two incarnations and keeps its mailbox."""
    ENDED = "ended"
    """It is dead; what is sent to it becomes a dead letter."""


class ChildState(Enum):
    """Where a supervised child stands."""

    STARTING = "starting"
    """Its `on_start` is running."""
    RUNNING = "running"
    STOPPING = "stopping"
    """It was told to end and has not ended yet."""
    BACKOFF = "backoff"
    """It waits to be started: for its delay to pass, or for its turn."""
    STOPPED = "stopped"
    """It ended and will not be started again unless asked for."""
    PARKED = "parked"
    """It used up its restart budget and waits to be revived."""
