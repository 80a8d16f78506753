"""The test kit: an event loop with a virtual clock, a recording actor, and fault injection.

`SimulationLoop` advances time only when nothing can run, shuffles the steps of tasks by a seed
and reports deadlocks. `Probe` records messages and events. `Faults` injects faults by a plan.
"""

from actors.testing.faults import (
    Crash,
    Echo,
    FaultPlan,
    Faults,
    Finish,
    FlakyActor,
    Hang,
    InjectedFault,
    MessageFault,
    StartFault,
    flaky_start,
    hang,
)
from actors.testing.probe import Probe
from actors.testing.simulation import Deadlock, SimulationLoop, advance, run_simulation, settle

__all__ = [
    "Crash",
    "Deadlock",
    "Echo",
    "FaultPlan",
    "Faults",
    "Finish",
    "FlakyActor",
    "Hang",
    "InjectedFault",
    "MessageFault",
    "Probe",
    "SimulationLoop",
    "StartFault",
    "advance",
    "flaky_start",
    "hang",
    "run_simulation",
    "settle",
]
