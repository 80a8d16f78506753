"""The test kit: a virtual clock, a seeded order of steps, deadlocks that report themselves."""

from actors.testing.simulation import Deadlock, SimulationLoop, advance, run_simulation, settle

__all__ = ["Deadlock", "SimulationLoop", "advance", "run_simulation", "settle"]
