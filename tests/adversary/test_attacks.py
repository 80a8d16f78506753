"""One hostile participant for a second each: the daemon and everybody else go on.

`make test-adversary` does it with each verb alone, for half a minute, against the strict bounds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adversary.attacks import MIXED, NAMED, Attack
from tests.adversary.confinement import confined
from tests.adversary.measuring import SHARED, breaches, measure, relative

SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("attack", [*NAMED, *MIXED], ids=lambda attack: attack.name)
def test_an_attack_is_contained(attack: Attack, tmp_path: Path) -> None:
    with confined(tmp_path) as hive:
        found = measure(hive, attack, SECONDS, calm=0.3)
    assert breaches(found, relative(SHARED, found.before)) == [], found
    assert found.sent > 0, "the attack did something"
