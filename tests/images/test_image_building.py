"""The steps of a build, with commands that only write files."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve

from hive.errors import BadRequestError, ConfigError, FailedError
from hive.images import image_building
from hive.images.debian_steps import DebianImage
from hive.images.image_building import ImageBuilder
from hive.images.image_place import ImagePlace
from hive.images.own_wheel import Wheel
from hive.subprocesses import Outcome
from hive.version import VERSION

IMAGE = DebianImage("trixie", extras=("mcp",))


class FakeCommands:
    """Make the tree that debootstrap would, and print what a test asks for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.printed = f"git version 2\nhive-ag3nt, version {VERSION}"
        self.failing: tuple[str, Outcome] | None = None
        self.seen: list[str] = []

    def run(self, argv: Sequence[str]) -> Outcome:
        self.ran.append(" ".join(argv))
        if self.failing and self.failing[0] in self.ran[-1]:
            return self.failing[1]
        if "debootstrap" in argv:
            (self.root / "etc/apt").mkdir(parents=True)
            (self.root / "var/tmp").mkdir(parents=True)
            (self.root / "etc/apt/sources.list").write_text("deb http://m.example/d trixie main\n")
        work = self.root / "var/tmp/hyperhive-image"
        self.seen = sorted(path.name for path in work.iterdir()) if work.exists() else []
        return Outcome(tuple(argv), 0, "", self.printed, 1.0)


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    path = tmp_path / f"hyperhive-{VERSION}-py3-none-any.whl"
    path.write_text("a wheel")
    return Wheel(path, VERSION, ("claude", "mcp"))


@pytest.fixture
def place(tmp_path: Path) -> ImagePlace:
    return ImagePlace("debian", tmp_path / "machines")


@pytest.fixture
def commands(place: ImagePlace) -> FakeCommands:
    return FakeCommands(place.building)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def builder(commands: FakeCommands, lines: list[str]) -> ImageBuilder:
    return ImageBuilder(lines.append, {}, commands.run, lambda name: f"/usr/bin/{name}")


def test_steps_are_taken_in_order_and_the_image_has_its_name(
    builder, commands, place, wheel, lines
):
    builder.build(IMAGE, place, wheel)
    assert lines == [
        "base system of Debian trixie, from debootstrap",
        "updates of Debian",
        f"the harness, hyperhive {VERSION}[mcp]",
        "tidying",
        "check",
    ]
    assert len(commands.ran) == len(lines)
    assert "trixie-security" in (place.path / "etc/apt/sources.list").read_text()
    assert not place.building.exists()


def test_the_steps_inside_have_the_wheel_and_the_certificates(
    builder, commands, place, wheel, tmp_path
):
    authority = tmp_path / "authority.pem"
    authority.write_text("certificate")
    builder = evolve(builder, environ={"PIP_CERT": str(authority)})
    builder.build(IMAGE, place, wheel)
    assert commands.seen == ["PIP_CERT", wheel.path.name]
    assert "PIP_CERT=/var/tmp/hyperhive-image/PIP_CERT" in commands.ran[-1]


def test_a_failed_step_leaves_nothing_and_says_the_last_lines(builder, commands, place, wheel):
    output = "\n".join(["I: noise"] * 30 + ["E: no such suite"])
    commands.failing = ("debootstrap", Outcome((), 1, "", output, 1.0))
    with pytest.raises(FailedError, match="E: no such suite") as failed:
        builder.build(IMAGE, place, wheel)
    assert "base system of Debian trixie" in str(failed.value)
    assert str(failed.value).count("noise") < 10
    assert list(place.images.iterdir()) == []


def test_a_step_without_end_leaves_nothing(builder, commands, place, wheel):
    commands.failing = ("apt-get", Outcome((), None, "", "", 1.0))
    with pytest.raises(FailedError, match="did not end in time"):
        builder.build(IMAGE, place, wheel)
    assert list(place.images.iterdir()) == []


def test_an_interrupted_build_leaves_nothing(builder, place, wheel):
    def interrupted(argv: Sequence[str]) -> Outcome:
        (place.building / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolve(builder, run=interrupted).build(IMAGE, place, wheel)
    assert list(place.images.iterdir()) == []


def test_a_harness_of_another_version_is_no_image(builder, commands, place, wheel):
    commands.printed = "git version 2\nhive-ag3nt, version 0.0.1"
    with pytest.raises(FailedError, match=f"is not of version {VERSION}"):
        builder.build(IMAGE, place, wheel)
    assert list(place.images.iterdir()) == []


def test_a_wheel_of_another_version_is_refused_before_anything_runs(
    builder, commands, place, wheel
):
    with pytest.raises(BadRequestError, match="of version 9"):
        builder.build(IMAGE, place, evolve(wheel, version="9"))
    with pytest.raises(BadRequestError, match="no extra 'mpc'; there are claude, mcp"):
        builder.build(evolve(IMAGE, extras=("mpc",)), place, wheel)
    assert commands.ran == []


def test_a_missing_program_is_said_before_anything_runs(builder, commands, place, wheel):
    present = {"unshare", "setpriv", "apt-get"}
    builder = evolve(builder, which=lambda name: name if name in present else None)
    with pytest.raises(ConfigError, match="'apt-get install debootstrap'"):
        builder.build(IMAGE, place, wheel)
    assert commands.ran == []


def test_a_disk_that_is_too_full_is_said(builder, commands, place, wheel, monkeypatch):
    monkeypatch.setattr(image_building, "LEAST_BYTES", 1 << 60)
    with pytest.raises(FailedError, match="an image needs"):
        builder.build(IMAGE, place, wheel)
    assert commands.ran == []
    assert list(place.images.iterdir()) == []
