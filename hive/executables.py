"""Why a program cannot be started, said before it is tried: execve(2) names neither file nor cause.

A missing interpreter and a missing program are one error of the kernel, ENOENT; a script without
`#!` is "Exec format error". Each has another remedy. Blocks: it reads the disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HEAD_BYTES = 256
"""Bytes of a file that are read: as many as the kernel looks at for `#!`, see execve(2)."""

_ENV = "env"
"""The program that looks for its argument on PATH, as in `#!/usr/bin/env python3`."""


def why_not_executable(program: str, search_path: str | None = None) -> str | None:
    """Return why a program cannot be started, and the remedy; None if nothing speaks against it.

    A file of a format that only this machine's kernel may know, see binfmt_misc, passes.

    Args:
        program: A path, or a name that is looked up.
        search_path: The PATH of the program; None for that of this process.
    """
    path = os.environ.get("PATH", os.defpath) if search_path is None else search_path
    found = shutil.which(program, path=path)
    if found is None:
        return _why_not_found(program)
    try:
        with Path(found).open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:  # it may be executed, but not read
        return None
    return why_no_format(found, head, path)


def why_no_format(program: str, head: bytes, search_path: str) -> str | None:
    """Return why a file cannot be started for what it begins with; None if nothing speaks against.

    Args:
        program: The file, as the sentence names it.
        head: Its first `HEAD_BYTES` bytes.
        search_path: The PATH on which `env` looks for an interpreter.
    """
    if head.startswith(b"#!"):
        return _why_no_interpreter(program, head, search_path)
    if _is_text(head):
        return (
            f"{program} is a script without a first line that names its interpreter; begin it with "
            "'#!/bin/sh', for instance"
        )
    return None


def _why_not_found(program: str) -> str:
    if "/" not in program:
        return (
            f"there is no program {program!r} on PATH that can be started; install it, or give its "
            "full path"
        )
    if Path(program).is_dir():
        return f"{program} is a directory; give the path of a program in it"
    if Path(program).exists():
        return f"{program} may not be executed; 'chmod +x {program}' allows it"
    return f"there is no program {program!r} that can be started; install it, or correct the path"


def _why_no_interpreter(script: str, head: bytes, search_path: str) -> str | None:
    """Return why the interpreter of a script cannot be started."""
    line = head[2:].partition(b"\n")[0].decode(errors="replace")
    words = line.split()
    remedy = f"install it, or correct the first line of {script}"
    if not words:
        return f"the first line of {script} names no interpreter after '#!'; correct it"
    interpreter = words[0]
    if line.endswith("\r"):
        return (
            f"the first line of {script} ends in a carriage return, which the kernel takes as part "
            "of the interpreter's name; save it with Unix line ends"
        )
    if not interpreter.startswith("/"):
        return None  # it begins at the working directory
    if not os.access(interpreter, os.X_OK) or Path(interpreter).is_dir():
        return f"there is no interpreter {interpreter!r}, which {script} names; {remedy}"
    if Path(interpreter).name == _ENV and len(words) > 1 and _is_plain(words[1]):
        name = words[1]
        if shutil.which(name, path=search_path) is None:
            return f"there is no interpreter {name!r} on PATH, which {script} names; {remedy}"
    return None


def _is_plain(word: str) -> bool:
    """Return whether an argument of `env` is a program: no option, and no variable."""
    return not word.startswith("-") and "=" not in word


def _is_text(head: bytes) -> bool:
    """Return whether a file begins as a text; formats of programs have other bytes at once."""
    return all(byte in b"\t\n\r\f" or byte >= ord(" ") for byte in head) and b"\x7f" not in head
