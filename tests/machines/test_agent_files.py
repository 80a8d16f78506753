"""Files that an agent has tampered with: nothing is followed, nothing blocks, all can be removed.

| what an agent puts in place of a file | what the daemon does |
|---|---|
| a symbolic link | the link is not followed; readers say so, a start fails with the path |
| a FIFO, a socket, a device, a directory | likewise, at once: no open blocks |
| a huge or sparse file | a bounded part is read or kept |
| a deep tree, directories that nobody may enter | they are removed |
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.machines.agent_files import open_regular, purge_directory, read_regular
from hive.machines.output_log import OutputLog
from hive.machines.process import runfile


def _link(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("secret\n")
    path.symlink_to(victim)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("made-by-the-daemon"))


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


ATTACKS: dict[str, Callable[[Path], object]] = {
    "link": _link,
    "dangling link": _dangling,
    "loop of links": _loop,
    "fifo": os.mkfifo,
    "socket": _socket,
    "directory": Path.mkdir,
}

attack = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of an agent's file; nothing but what an attack makes is in its directory."""
    directory = tmp_path / "alice"
    directory.mkdir()
    monkeypatch.chdir(directory)  # the paths of sockets are short
    return Path("output.log")


def untouched(place: Path) -> bool:
    victim = place.with_name("victim")
    return not victim.exists() or victim.read_text() == "secret\n"


@attack
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
def test_only_a_regular_file_is_opened(
    place: Path, attack: Callable[[Path], object], flags: int
) -> None:
    attack(place)
    with pytest.raises(OSError, match=r"."):
        open_regular(place, flags, 0o640)
    assert untouched(place)
    assert not place.with_name("made-by-the-daemon").exists()


def test_at_most_so_many_bytes_are_read(place: Path) -> None:
    place.touch()
    os.truncate(place, 1 << 40)
    assert read_regular(place, 5) == bytes(5)
    place.write_text("0123456789")
    assert read_regular(place, 100, 4) == b"456789"


@attack
def test_a_log_that_is_no_file_can_be_read_and_rotated_without_harm(
    place: Path, attack: Callable[[Path], object]
) -> None:
    attack(place)
    log = OutputLog(place, limit=3)
    assert (log.size(), log.file(), log.rotate()) == (0, None, False)
    [said] = log.last_lines(5)
    assert said.startswith(f"[hive] {place} cannot be read: ")
    [said], position = log.newest(5)
    assert "cannot be read" in said
    assert log.read(position)[0] == b""
    with pytest.raises(OSError, match=r"."):
        log.note("a sentence")
    assert untouched(place)


@attack
@pytest.mark.parametrize("suffix", [".1", ".1.new"])
def test_what_is_in_place_of_a_rotated_log_is_not_followed(
    place: Path, attack: Callable[[Path], object], suffix: str
) -> None:
    place.write_text("one\ntwo\n")
    attack(place.with_name(place.name + suffix))
    log = OutputLog(place, limit=3)
    try:
        assert log.rotate()
    except IsADirectoryError:
        assert attack is Path.mkdir
    assert untouched(place)
    assert not place.with_name("made-by-the-daemon").exists()


def test_a_huge_log_is_cut_to_its_newest_bytes_and_a_follower_goes_on(place: Path) -> None:
    log = OutputLog(place, limit=100)
    place.write_text("first\n")
    _, position = log.newest(0)
    with place.open("ab") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast\n")
    assert log.rotate()
    assert (log.size(), log.older.stat().st_size) == (0, 100)
    skipped, position = log.read(position)
    assert b"output was skipped" in skipped
    rest, position = log.read(position)
    assert rest.endswith(b"\nlast\n")
    place.write_text("next\n")
    assert log.read(position)[0] == b"next\n"


def test_a_log_with_another_name_is_nobodys_output(place: Path) -> None:
    place.touch()
    log = OutputLog(place)
    assert log.file() == (place.stat().st_dev, place.stat().st_ino)
    place.with_name("another-name").hardlink_to(place)
    assert log.file() is None


@attack
def test_a_record_that_is_no_file_is_named(place: Path, attack: Callable[[Path], object]) -> None:
    attack(place)
    with pytest.raises(FailedError, match=rf"the record {place} of a process cannot be read"):
        runfile.read(place)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 60_000,
        "{}",
        '{"name": 1}',
        "\0" * 100_000,
        '{"name":"a","run":"r","boot_id":"b","started_at":1,"log_file":"l","log_start":0,'
        '"pid":"12","start_ticks":1}',
    ],
)
def test_a_record_with_wrong_content_is_named(place: Path, content: str) -> None:
    place.write_text(content)
    with pytest.raises(FailedError, match="of a process cannot be read"):
        runfile.read(place)


# Removal


def test_purging_removes_a_directory_and_its_contents(tmp_path: Path) -> None:
    (tmp_path / "agents/alice/state/deep").mkdir(parents=True)
    (tmp_path / "agents/alice/state/deep/file").touch()
    (tmp_path / "agents/bob").mkdir()
    for _ in range(2):
        purge_directory(tmp_path, "agents", "alice")
        assert [path.name for path in (tmp_path / "agents").iterdir()] == ["bob"]


def test_links_inside_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "base/alice").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (tmp_path / "base/alice/directory").symlink_to(tmp_path / "precious")
    (tmp_path / "base/alice/file").symlink_to(tmp_path / "precious/file")
    purge_directory(tmp_path / "base", "alice")
    assert not (tmp_path / "base/alice").exists()
    assert (tmp_path / "precious/file").exists()


@pytest.mark.parametrize("link", ["base/agents", "base/agents/alice"])
def test_a_symbolic_link_in_the_path_is_refused(tmp_path: Path, link: str) -> None:
    (tmp_path / "precious/alice").mkdir(parents=True)
    place = tmp_path / link
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "precious")
    with pytest.raises(FailedError, match="symbolic link"):
        purge_directory(tmp_path / "base", "agents", "alice")
    assert (tmp_path / "precious/alice").is_dir()
    assert place.is_symlink()


@pytest.mark.parametrize("part", ["..", ".", "", "a/../..", "/etc"])
def test_only_plain_names_are_path_components(tmp_path: Path, part: str) -> None:
    (tmp_path / "base/agents").mkdir(parents=True)
    with pytest.raises(FailedError, match="is not the name of a directory"):
        purge_directory(tmp_path / "base", "agents", part)
    assert (tmp_path / "base/agents").is_dir()


def test_neither_depth_nor_names_nor_rights_keep_a_directory(tmp_path: Path) -> None:
    root = tmp_path / "agents" / "alice"
    root.mkdir(parents=True)
    make = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "for number in range(3000):\n"
        "    for name in (f'.{number}', 'file'):\n"
        "        open(name, 'w').close()\n"
        "    os.mkfifo('fifo')\n"
        "    os.symlink('/', 'link')\n"
        "    os.mkdir('d' * 255)\n"
        "    os.mkdir('locked', 0)\n"
        "    os.chdir('d' * 255)\n"
    )
    subprocess.run((sys.executable, "-c", make, str(root)), check=True)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    purge_directory(tmp_path, "agents", "alice")
    assert not root.exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_user_removes_its_own_directories_that_it_may_not_enter(tmp_path: Path) -> None:
    root = tmp_path / "agents" / "alice"
    (root / "closed" / "inner").mkdir(parents=True)
    for directory in (tmp_path, *tmp_path.rglob("*")):
        os.chown(directory, 1234, 1234)
    for directory in (root / "closed" / "inner", root / "closed", root):
        directory.chmod(0)
    for above in (tmp_path, *list(tmp_path.parents)[:-2]):
        above.chmod(0o755)
    remove = (
        "import os, sys; from pathlib import Path; "
        "from hive.machines.agent_files import purge_directory; "
        "os.setresuid(1234, 1234, 1234); purge_directory(Path(sys.argv[1]), 'agents', 'alice')"
    )
    subprocess.run((sys.executable, "-c", remove, str(tmp_path)), check=True)
    assert not root.exists()
