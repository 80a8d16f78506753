"""Builds an image: the base system, its updates, the harness, a check, then its name.

It blocks for minutes: it is for a program that does nothing else.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from hive.config import in_units
from hive.disk_space import free_space
from hive.errors import BadRequestError, ConfigError, FailedError
from hive.images import debian_steps
from hive.images.debian_steps import DebianImage, ImageStep
from hive.images.image_place import ImagePlace
from hive.images.own_wheel import Wheel
from hive.subprocesses import Outcome, watch_command
from hive.version import VERSION

STEP_SECONDS = 3600.0
"""Deadline of each step; a slow network takes its time."""

LEAST_BYTES = 1536 * 1024**2
"""Free bytes without which none is begun: an image has some 400 MiB, with Claude Code 800 MiB."""

_LAST_LINES = 6
"""Lines of a command's output that the error of its step quotes."""


def run_step(argv: Sequence[str]) -> Outcome:
    """Run the command of a step; it is killed if an exception, as of Ctrl-C, ends this call."""
    return asyncio.run(watch_command(argv, lambda line: None, deadline=STEP_SECONDS))


@frozen
class ImageBuilder:
    """Builds images, one at a time.

    Attributes:
        progress: Takes a line at the beginning of each step.
        environ: Variables of this program.
        run: Runs the command of a step.
        which: Finds a program on PATH.
    """

    progress: Callable[[str], object]
    environ: Mapping[str, str]
    run: Callable[[Sequence[str]], Outcome] = run_step
    which: Callable[[str], str | None] = shutil.which

    def require_programs(self) -> None:
        """Check that the programs of the host are there.

        Raises:
            ConfigError: One is missing; the sentence says how it is installed.
        """
        present = [name for name in debian_steps.INSTALLERS if self.which(name)]
        missing = [name for name in debian_steps.PROGRAMS if not self.which(name)]
        if missing:
            raise ConfigError(debian_steps.how_to_install(missing[0], present))

    def build(self, image: DebianImage, place: ImagePlace, wheel: Wheel) -> None:
        """Build an image. It is there whole afterwards, or nothing of it is.

        Raises:
            BadRequestError: The wheel has no such extra, or is of another version than this
                program; or no image may have the name.
            ConflictError: There is an image of the name that may not be replaced.
            FailedError: A step failed; the sentence has the end of its output.
        """
        self.require_programs()
        require_wheel(image, wheel)
        with place.begun() as root:
            _require_room(root)
            self._take(debian_steps.base_step(image, root))
            environment = self._prepare(image, root, wheel)
            printed = ""
            for step in debian_steps.further_steps(image, root, wheel, environment):
                printed = self._take(step)
            if printed.split()[-1:] != [VERSION]:
                raise FailedError(
                    f"the harness in the image is not of version {VERSION}: {printed}"
                )
            place.publish()

    def _take(self, step: ImageStep) -> str:
        """Carry out a step and return the last lines that its command printed."""
        self.progress(step.what)
        outcome = self.run(step.argv)
        if not outcome.ok:
            words = "\n".join(outcome.err.splitlines()[-_LAST_LINES:])
            end = "did not end in time" if outcome.status is None else f"status {outcome.status}"
            raise FailedError(f"{step.what}: {end}; nothing is kept\n{words}")
        return outcome.err

    def _prepare(self, image: DebianImage, root: Path, wheel: Wheel) -> dict[str, str]:
        """Give the base system what the further steps need; return their variables."""
        listed = root / "etc/apt/sources.list"
        listed.write_text(debian_steps.sources(image, listed.read_text()))
        work = root / debian_steps.WORK.relative_to("/")
        work.mkdir(mode=0o700)
        shutil.copyfile(wheel.path, work / wheel.path.name)
        named = [name for name in debian_steps.CERTIFICATES if self.environ.get(name)]
        for name in named:
            shutil.copyfile(self.environ[name], work / name)
        return debian_steps.inner_environment(self.environ, named)


def require_wheel(image: DebianImage, wheel: Wheel) -> None:
    """Check that a wheel is of this program's version, and has the extras.

    Raises:
        BadRequestError: It is not, or has not.
    """
    if wheel.version != VERSION:
        raise BadRequestError(
            f"{wheel.path} is of version {wheel.version}, this program of {VERSION}; an image has "
            "the harness of the daemon's version"
        )
    unknown = [extra for extra in image.extras if extra not in wheel.extras]
    if unknown:
        raise BadRequestError(
            f"there is no extra {unknown[0]!r}; there are {', '.join(wheel.extras)}"
        )


def _require_room(root: Path) -> None:
    free = free_space(root)
    if free.bytes < LEAST_BYTES:
        raise FailedError(
            f"the disk of {free.path} has {in_units(free.bytes)} free, and an image needs "
            f"{in_units(LEAST_BYTES)}; make room there"
        )
