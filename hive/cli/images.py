"""The verb that makes an image for the containers of agents."""

from __future__ import annotations

import os
import platform
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from hive.cli import output
from hive.errors import NotAllowedError
from hive.escapes import inline
from hive.stdio import write_error

if TYPE_CHECKING:
    from hive.images.debian_steps import DebianImage
    from hive.images.image_place import ImagePlace

NEWEST_SUITE = "trixie"
"""The release of an image on a host that is not Debian."""


@click.command()
@click.argument("kind", type=click.Choice(["debian"]))
@click.argument("image_name", metavar="[NAME]", default="debian")
@click.option(
    "--with",
    "extras",
    metavar="EXTRA,...",
    default="",
    help="Extras of the harness: claude for agents that run Claude Code, mcp for its tools.",
)
@click.option(
    "--package", "packages", multiple=True, help="A further package of Debian; may be repeated."
)
@click.option(
    "--suite", help=f"The release of Debian. Default: that of this host, else {NEWEST_SUITE}."
)
@click.option(
    "--mirror",
    metavar="URL",
    envvar="HYPERHIVE_MIRROR",
    help="The archive of Debian. Default: HYPERHIVE_MIRROR, else debootstrap's own.",
)
@click.option(
    "--security-mirror",
    metavar="URL",
    help="The archive of security updates, or none. Default: MIRROR-security.",
)
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Install the harness from this wheel. Default: this program itself, packed as it is.",
)
@click.option("--replace", is_flag=True, help="Replace an image of this name that is not in use.")
def image(
    kind: str,
    image_name: str,
    *,
    extras: str,
    packages: tuple[str, ...],
    suite: str | None,
    mirror: str | None,
    security_mirror: str | None,
    wheel: Path | None,
    replace: bool,
) -> None:
    """Make an image for the runtime machinectl, and print its path.

    It has Debian with systemd, D-Bus, git, Python and the harness of this version. Needs root,
    debootstrap and a few minutes. It is there whole afterwards, or nothing of it is; containers
    that exist keep the copy that they have.
    """
    from hive.images.debian_steps import DebianImage
    from hive.images.image_place import ImagePlace

    if os.geteuid() != 0:
        raise NotAllowedError(
            f"making an image needs root, for its owners and devices; run 'sudo {output.PROGRAM} "
            f"image {kind}'"
        )
    chosen = DebianImage(
        suite or _own_suite(),
        mirror,
        security_mirror,
        tuple(extra.strip() for extra in extras.split(",") if extra.strip()),
        packages,
    )
    place = ImagePlace(image_name, replace=replace)
    with _ending_in_order(), tempfile.TemporaryDirectory(prefix="hyperhive-") as directory:
        _build(chosen, place, wheel, Path(directory))
    output.hint(f"Agents run in it with 'image = \"{image_name}\"' in [containers] of hive.toml.")
    output.lines([inline(place.path)])


def _build(chosen: DebianImage, place: ImagePlace, wheel: Path | None, directory: Path) -> None:
    from hive.images.image_building import ImageBuilder
    from hive.images.own_wheel import pack_wheel, read_wheel

    builder = ImageBuilder(lambda line: write_error(f"{inline(line)}\n"), os.environ)
    builder.require_programs()
    found = pack_wheel(directory) if wheel is None else read_wheel(wheel)
    builder.build(chosen, place, found)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """End by an exception at a signal, so that nothing of half an image is left.

    A signal that is ignored, as under nohup(1), stays so.
    """

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _own_suite() -> str:
    try:
        found = platform.freedesktop_os_release()
    except OSError:
        return NEWEST_SUITE
    own = found.get("VERSION_CODENAME") if found.get("ID") == "debian" else None
    return own or NEWEST_SUITE
