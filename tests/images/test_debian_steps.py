"""The command lines that make an image of Debian."""

from pathlib import Path

import pytest

from hive.images import debian_steps
from hive.images.debian_steps import DebianImage, how_to_install, inner_environment, sources
from hive.images.own_wheel import Wheel

ROOT = Path("/machines/.debian.building")
WHEEL = Wheel(Path("/tmp/hyperhive-1.0-py3-none-any.whl"), "1.0", ("claude", "mcp"))
WRITTEN = "deb https://mirror.example/debian trixie main\n"


def test_the_base_system_is_checked_and_has_the_packages():
    argv = debian_steps.base_step(DebianImage("trixie", packages=("ripgrep",)), ROOT).argv
    assert "--force-check-gpg" in argv
    [included] = [word for word in argv if word.startswith("--include=")]
    assert {"systemd-sysv", "dbus", "git", "python3-venv", "ripgrep"} <= set(
        included.removeprefix("--include=").split(",")
    )
    assert argv[-2:] == ("trixie", str(ROOT)), "the mirror is debootstrap's own"


def test_a_mirror_is_the_last_word():
    argv = debian_steps.base_step(DebianImage("trixie", "https://m.example/debian"), ROOT).argv
    assert argv[-1] == "https://m.example/debian"


@pytest.mark.parametrize(
    ("image", "lines"),
    [
        (
            DebianImage("trixie"),
            [
                "deb https://mirror.example/debian trixie main",
                "deb https://mirror.example/debian trixie-updates main",
                "deb https://mirror.example/debian-security trixie-security main",
            ],
        ),
        (
            DebianImage("trixie", security_mirror="https://s.example/x"),
            [
                "deb https://mirror.example/debian trixie main",
                "deb https://mirror.example/debian trixie-updates main",
                "deb https://s.example/x trixie-security main",
            ],
        ),
        (
            DebianImage("trixie", security_mirror="none"),
            [
                "deb https://mirror.example/debian trixie main",
                "deb https://mirror.example/debian trixie-updates main",
            ],
        ),
        (DebianImage("sid"), ["deb https://mirror.example/debian trixie main"]),
    ],
)
def test_an_image_has_the_updates_of_its_release(image, lines):
    assert sources(image, WRITTEN).splitlines() == lines


def test_the_harness_is_installed_from_the_copy_of_the_wheel_with_its_extras():
    image = DebianImage("trixie", extras=("claude", "mcp"))
    steps = list(debian_steps.further_steps(image, ROOT, WHEEL, {"A": "b"}))
    assert [step.what for step in steps] == [
        "updates of Debian",
        "the harness, hyperhive 1.0[claude,mcp]",
        "tidying",
        "check",
    ]
    wheel = "/var/tmp/hyperhive-image/hyperhive-1.0-py3-none-any.whl[claude,mcp]"
    assert f"'{wheel}'" in steps[1].argv[-1]
    for step in steps:
        words = " ".join(step.argv)
        assert f"--root={ROOT}" in words
        assert "--kill-child" in words, "what a step has started ends with it"
        assert "env -i A=b" in words, "nothing of the host's environment is inside"
    assert steps[-1].argv[-1].splitlines()[-1] == "hive-ag3nt --version"


def test_each_copy_of_an_image_has_a_machine_id_and_a_name_of_its_own():
    [tidying] = [
        step.argv[-1]
        for step in debian_steps.further_steps(DebianImage("trixie"), ROOT, WHEEL, {})
        if step.what == "tidying"
    ]
    assert ": >/etc/machine-id" in tidying
    assert "/etc/hostname" in tidying


def test_inside_are_only_the_ways_to_the_servers():
    environ = {"PATH": "/home/x", "PIP_INDEX_URL": "u", "https_proxy": "p", "SECRET": "s"}
    inside = inner_environment(environ, ["PIP_CERT"])
    assert inside["PIP_CERT"] == "/var/tmp/hyperhive-image/PIP_CERT"
    assert (inside["PIP_INDEX_URL"], inside["https_proxy"]) == ("u", "p")
    assert "SECRET" not in inside
    assert "/home/x" not in inside["PATH"]


@pytest.mark.parametrize(
    ("program", "present", "sentence"),
    [
        ("debootstrap", ["apt-get"], "the package debootstrap: 'apt-get install debootstrap'"),
        ("unshare", ["dnf"], "the package util-linux: 'dnf install util-linux'"),
        ("debootstrap", [], "the package debootstrap: the package manager of this machine"),
    ],
)
def test_a_missing_program_is_named_with_its_package(program, present, sentence):
    said = how_to_install(program, present)
    assert said.startswith(f"{program} is missing on PATH")
    assert said.endswith(sentence)
