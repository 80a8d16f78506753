"""How many runs of a state machine are tried, by the profile of Hypothesis.

A run is dozens of steps, with checks after each, so fewer of them cost what the examples of all
other tests cost together.
"""

import os

from hypothesis import settings

RUNS = {"dev": 50, "ci": 100, "nightly": 5000}

MACHINE_RUNS = settings(max_examples=RUNS[os.environ.get("HYPOTHESIS_PROFILE", "dev")])
"""The settings of a state machine."""
