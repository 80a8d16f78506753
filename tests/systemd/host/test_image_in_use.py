"""An image that a container runs from is never replaced: systemd's own lock says so."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.errors import ConflictError
from hive.images.image_place import IMAGES, ImagePlace
from tests.support.daemons import eventually
from tests.systemd.scenarios.hives import end_container
from tests.testbed.tree import make_image

NAME = "debian-in-use"


@pytest.fixture
def image() -> Iterator[Path]:
    path = IMAGES / NAME
    make_image(path)
    # As in the lab: programs are those of the host.
    settings = Path("/run/systemd/nspawn", f"{NAME}.nspawn")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("[Exec]\nPrivateUsers=no\n[Files]\nBindReadOnly=/usr\n")
    yield path
    end_container(NAME)
    settings.unlink()
    shutil.rmtree(path)


def replace(place: ImagePlace) -> None:
    with place.begun() as root:
        (root / "new").touch()
        place.publish()


def test_an_image_is_replaced_only_when_its_container_has_ended(image: Path) -> None:
    place = ImagePlace(NAME, replace=True)
    subprocess.run(["machinectl", "start", NAME], check=True)
    with pytest.raises(ConflictError, match="a container runs from the image"):
        replace(place)
    assert not (image / "new").exists()
    assert not place.building.exists()

    end_container(NAME)
    eventually(lambda: is_replaced(place), what="a free image")
    assert (image / "new").exists()


def is_replaced(place: ImagePlace) -> bool:
    try:
        replace(place)
    except ConflictError:
        return False
    return True
