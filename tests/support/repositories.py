"""Git repositories as a manager makes them, honest and hostile, with git's own programs."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "hm1nd"), ("EMAIL", "hm1nd@localhost"))
}


class Repository:
    """A repository with a work tree; every method blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def dot_git(self) -> Path:
        return self.path / ".git"

    def git(self, *words: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *words],
            input=data,
            capture_output=True,
            check=True,
            env={**os.environ, **AUTHOR, "GIT_CONFIG_GLOBAL": "/dev/null"},
        )
        return done.stdout.decode(errors="replace").strip()

    def commit(self, files: Mapping[str, str], message: str = "a change") -> str:
        """Write files, commit them all and return the id of the commit."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=content)

    def raw_object(self, kind: str, content: bytes) -> str:
        """Write an object as it is, however wrong, and return its id."""
        words = ("hash-object", "-t", kind, "-w", "--stdin", "--literally")
        return self.git(*words, data=content)

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """Write a tree of entries (mode, name, object id), unchecked, and return its id."""
        content = b"".join(
            f"{mode} ".encode() + os.fsencode(name) + b"\0" + bytes.fromhex(object_id)
            for mode, name, object_id in entries
        )
        return self.raw_object("tree", content)

    def commit_tree(self, tree: str, message: str = "a tree") -> str:
        """Write a commit of a tree, unchecked, and return its id."""
        lines = f"tree {tree}\nauthor m <m@x> 0 +0000\ncommitter m <m@x> 0 +0000\n\n{message}\n"
        return self.raw_object("commit", lines.encode())
