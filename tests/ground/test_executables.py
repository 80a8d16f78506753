"""Why a program cannot be started; what the kernel says is compared with what we say."""

import re
import subprocess
from pathlib import Path

import pytest

from hive.executables import why_not_executable


def program(tmp_path: Path, content: bytes, *, mode: int = 0o755) -> str:
    path = tmp_path / "program"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"echo hello\n", "is a script without a first line that names its interpreter"),
        (b"", "is a script without a first line"),
        (b"#!/no/such/shell\n", "there is no interpreter '/no/such/shell', which .*/program names"),
        (b"#!/etc/passwd\n", "there is no interpreter '/etc/passwd'"),
        (b"#!/etc\n", "there is no interpreter '/etc'"),
        (b"#!/bin/sh\r\necho\r\n", "ends in a carriage return"),
        (b"#!\n", "names no interpreter after '#!'"),
    ],
    ids=str,
)
def test_what_the_kernel_refuses_has_a_sentence_with_path_and_remedy(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = program(tmp_path, content)
    with pytest.raises(OSError, match=r".*"):
        subprocess.run([path], check=False, capture_output=True)
    why = why_not_executable(path)
    assert why is not None
    assert path in why
    assert re.search(sentence, why), why


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\nexit 0\n",
        b"#! /bin/sh -e\nexit 0\n",
        b"#!/usr/bin/env sh\nexit 0\n",
        b"#!/usr/bin/env -S sh -e\nexit 0\n",
        b"#!/usr/bin/env A=1 sh\nexit 0\n",
    ],
    ids=str,
)
def test_what_the_kernel_starts_passes(tmp_path: Path, content: bytes) -> None:
    path = program(tmp_path, content)
    assert why_not_executable(path) is None
    if b"A=1" not in content:  # the kernel gives `env` the rest of the line as one argument
        assert subprocess.run([path], check=False).returncode == 0


def test_a_binary_of_an_unknown_format_passes_since_the_kernel_may_know_it(tmp_path: Path) -> None:
    assert why_not_executable(program(tmp_path, b"MZ\x90\x00\x03")) is None
    assert why_not_executable("true") is None


def test_the_interpreter_that_env_looks_for_is_looked_for_on_the_path_of_the_agent(
    tmp_path: Path,
) -> None:
    path = program(tmp_path, b"#!/usr/bin/env no-such-shell\n")
    assert "there is no interpreter 'no-such-shell' on PATH" in (why_not_executable(path) or "")
    (tmp_path / "no-such-shell").write_text("#!/bin/sh\n")
    (tmp_path / "no-such-shell").chmod(0o755)
    assert why_not_executable(path, str(tmp_path)) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no-such-program", "there is no program 'no-such-program' on PATH that can be started"),
        ("/no/such/program", "there is no program '/no/such/program' that can be started"),
        ("/etc", "/etc is a directory"),
        ("/etc/passwd", "/etc/passwd may not be executed; 'chmod +x /etc/passwd'"),
    ],
)
def test_what_is_not_there_is_told_from_what_may_not_be_run(name: str, sentence: str) -> None:
    assert (why_not_executable(name) or "").startswith(sentence)
