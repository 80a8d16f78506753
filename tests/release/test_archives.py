"""A wheel and a source archive have what an installation needs, and nothing of this machine."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from hive.cli.main import VERBS
from hive.config.starter_file import starter_text
from hive.shared_files import COMPLETIONS, DOCUMENTATION, SAMPLE, copied_files
from tests.check_docs import ROOT
from tests.release.agreement import machine_paths
from tests.release.archives import Archives, problems, sdist_files, wheel_files

MACHINE = "/a/" + "machine"
"""In two parts, since this file is in the source archive, too."""


def test_nothing_is_missing_too_much_or_of_this_machine(archives: Archives, tmp_path: Path):
    assert problems(archives, tmp_path, machine_paths()) == []


def test_the_sample_is_the_file_of_init(archives: Archives):
    assert wheel_files(archives.wheel)[SAMPLE].decode() == starter_text()


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_a_script_of_the_wheel_is_the_one_that_the_verb_prints(archives: Archives, shell: str):
    words = (sys.executable, "-m", "hive.cli", "completion", shell)
    printed = subprocess.run(words, capture_output=True, check=True, timeout=60).stdout
    assert wheel_files(archives.wheel)[COMPLETIONS[shell].format("hive-c0re")] == printed


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("bash", ("bash", "--norc", "-c", '. "$1" && complete -p hive-c0re', "-")),
        ("zsh", ("zsh", "-f", "-n")),
        ("fish", ("fish", "--no-execute")),
    ],
)
def test_a_shell_reads_its_script(archives: Archives, tmp_path: Path, shell, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    script = tmp_path / "script"
    script.write_bytes(wheel_files(archives.wheel)[COMPLETIONS[shell].format("hive-c0re")])
    done = subprocess.run(
        [*command, script], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_metadata_names_programs_and_extras(archives: Archives):
    files = wheel_files(archives.wheel)
    (metadata,) = (text for name, text in files.items() if name.endswith("/METADATA"))
    headers = email.message_from_bytes(metadata)
    assert headers["Name"] == "hyperhive"
    assert {"claude", "mcp", "otel", "systemd"} <= set(headers.get_all("Provides-Extra"))
    (entries,) = (text for name, text in files.items() if name.endswith("/entry_points.txt"))
    assert all(f"{name} = ".encode() in entries for name in ("hive-c0re", "hive-ag3nt"))


def test_the_source_archive_has_what_git_has(archives: Archives):
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone")
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    left_out = {name for name in tracked if name.startswith(".ci/")}
    assert tracked - left_out - set(sdist_files(archives.sdist)) == set()


def rebuilt(archives: Archives, directory: Path, added: dict[str, bytes], left_out: str):
    """Return a copy of the wheel with other files in it."""
    wheel = directory / archives.wheel.name
    with zipfile.ZipFile(archives.wheel) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if left_out not in name:
                new.writestr(name, old.read(name))
        for name, content in added.items():
            new.writestr(name, content)
    return Archives(archives.sdist, wheel)


def test_what_is_wrong_is_named(archives: Archives, tmp_path: Path):
    added = {
        "tests/x.py": b"",
        "hive/y.py": f"{MACHINE}/hive".encode(),
        f"hyperhive-1.data/data/{DOCUMENTATION}/docs/z.md": b"[gone](gone.md)",
    }
    spoilt = rebuilt(archives, tmp_path, added, left_out="man1/hive-m1nd")
    assert problems(spoilt, tmp_path / "unpacked", [MACHINE]) == [
        "the wheel lacks share/man/man1/hive-m1nd.1",
        "the wheel has tests/x.py",
        f"hive/y.py of the wheel names {MACHINE}",
        f"{DOCUMENTATION}/docs/z.md: the link to gone.md leads nowhere",
    ]


def test_a_source_archive_without_tests_is_found(archives: Archives, tmp_path: Path):
    spoilt = tmp_path / "x.tar.gz"
    with tarfile.open(archives.sdist) as old, tarfile.open(spoilt, "w:gz") as new:
        for each in old:
            if "/tests/" not in each.name:
                new.addfile(each, old.extractfile(each))
    found = problems(Archives(spoilt, archives.wheel), tmp_path / "unpacked", [])
    assert found == ["the source archive lacks tests"]


def test_a_tree_without_documentation_gives_a_wheel_without_it(tmp_path: Path):
    (tmp_path / "LICENSE").write_text("free")
    run = tmp_path / "examples" / "swarm" / "__pycache__"
    run.mkdir(parents=True)
    (run / "x.pyc").write_bytes(b"")
    assert copied_files(tmp_path) == {f"{DOCUMENTATION}/LICENSE": tmp_path / "LICENSE"}


@pytest.mark.parametrize("name", ["top.svg", "dashboard.png"])
def test_pictures_of_pages_are_documentation(tmp_path: Path, name: str):
    picture = tmp_path / "docs" / "pictures" / name
    picture.parent.mkdir(parents=True)
    picture.write_text("a picture")
    assert copied_files(tmp_path) == {f"{DOCUMENTATION}/docs/pictures/{name}": picture}


def test_the_page_of_the_operator_has_every_verb(archives: Archives):
    page = wheel_files(archives.wheel)["share/man/man1/hive-c0re.1"].decode()
    assert all(f".B {verb.replace('-', chr(92) + '-')}" in page for verb in VERBS)
