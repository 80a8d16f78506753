"""The unit file of the daemon."""

from pathlib import Path

import pytest

from hive.cli.install import unit_file


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_containers_and_their_sockets_survive_the_daemon():
    text = unit_file(Path("/opt/hive-c0re"), None)
    assert values(text, "KillMode") == ["process"]
    assert values(text, "RuntimeDirectoryPreserve") == ["yes"]
    assert values(text, "ExecStart") == ["/opt/hive-c0re serve --no-status --keep-agents"]
    assert values(text, "Type") == ["notify"]
    assert values(text, "WatchdogSec") == ["30s"]
    assert values(text, "LimitNOFILE") == ["1024:524288"]


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ("/etc/hive.toml", "/etc/hive.toml"),
        ("/etc/my hive.toml", '"/etc/my hive.toml"'),
        ("/etc/100%$x.toml", '"/etc/100%%$$x.toml"'),
    ],
)
def test_a_path_is_one_word_to_systemd(config, word):
    [line] = values(unit_file(Path("/opt/hive-c0re"), Path(config)), "ExecStart")
    assert line.endswith(f" --config {word}")
