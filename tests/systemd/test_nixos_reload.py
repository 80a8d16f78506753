"""A rebuild whose reload fails was built all the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hive.errors import FailedError
from hive.machines.runtime import MachineSpec, NotReloadedError, ignore_line
from hive.machines.systemd import nixos_container
from hive.machines.systemd.nixos_container import NixosContainer, was_built
from hive.machines.systemd.nixos_places import NixosPlaces
from hive.subprocesses import OnLine, Outcome

RELOAD = "reloading container...\n/bin/nixos-container: failed to reload container\n"
BUILD = "error: it does not build\n/bin/nixos-container: failed to build container configuration\n"


def outcome(status: int | None, words: str) -> Outcome:
    return Outcome(("nixos-container", "update", "h-alice"), status, "", words, 1.0)


@pytest.mark.parametrize(
    ("status", "words", "built"),
    [
        (0, "", False),
        (0, RELOAD, False),
        (1, RELOAD, True),
        (4, RELOAD, True),
        (1, BUILD, False),
        (1, "", False),
        (None, "reloading container...", False),
    ],
)
def test_only_a_failed_reload_means_that_it_was_built(
    status: int | None, words: str, built: bool
) -> None:
    assert was_built(outcome(status, words)) is built


@pytest.mark.parametrize(("words", "error"), [(RELOAD, NotReloadedError), (BUILD, FailedError)])
async def test_an_update_says_whether_it_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, error: type[FailedError]
) -> None:
    async def watch(argv: Sequence[str], on_line: OnLine, **options: Any) -> Outcome:
        return outcome(1, words)

    monkeypatch.setattr(nixos_container, "watch_command", watch)
    places = NixosPlaces(confs=tmp_path)
    (tmp_path / "h-alice.conf").touch()
    spec = MachineSpec(
        name="alice", command=("agent",), socket_dir=tmp_path, state_dir=tmp_path, log_file=tmp_path
    )
    with pytest.raises(error, match=words.rsplit(":", maxsplit=1)[-1].strip()) as caught:
        await NixosContainer("flake", places).update(spec, ignore_line)
    assert isinstance(caught.value, NotReloadedError) is (error is NotReloadedError)
