"""A runtime that this machine cannot have ends `serve` with the status of the configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hive.errors import ExitStatus
from tests.support.daemons import PROGRAMS


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd is the init system here")
@pytest.mark.parametrize("runtime", ["machinectl", "nixos-container"])
def test_serve_without_systemd_ends_with_the_status_of_the_configuration(
    tmp_path: Path, runtime: str
) -> None:
    config = tmp_path / "hive.toml"
    image = '[containers]\nimage = "/var/lib/machines/image"\n' if runtime == "machinectl" else ""
    config.write_text(f'runtime = "{runtime}"\n{image}')
    places = {"HYPERHIVE_STATE_DIR": tmp_path / "state", "HYPERHIVE_RUN_DIR": tmp_path / "run"}
    ended = subprocess.run(
        [PROGRAMS / "hive-c0re", "serve", "--config", config],
        env={**os.environ, **{name: str(path) for name, path in places.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sentence = f"hive-c0re: the {runtime} runtime needs systemd as this machine's first process"
    assert (ended.returncode, sentence in ended.stderr) == (ExitStatus.CONFIG, True), ended.stderr
