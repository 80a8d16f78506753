"""A Nix that locks and builds at once, for tests of what is around it.

Its nixpkgs is `path:DIRECTORY`, whose revision is the content of the file `revision` in it.
"""

import sys
from pathlib import Path

PROGRAM = """\
#!{python} -ISE
import json, pathlib, sys
words = sys.argv[1:]
if "--version" in words:
    print("nix (Nix) 2.24.0")
    sys.exit()
copy = pathlib.Path(next(word for word in words if word.startswith("path:"))[5:].split("#")[0])
inputs = json.loads((copy / "inputs.json").read_text())
source = inputs["nixpkgs"].removeprefix("path:")
file = copy / "flake.lock"
if "build" in words:
    assert file.exists(), "no lock"
    sys.exit("it cannot be built" if pathlib.Path(source, "broken").exists() else 0)
def node(rev):
    return dict(locked=dict(type="git", url="https://x/y", rev=rev), original=dict(type="path"))
old = json.loads(file.read_text())["nodes"] if file.exists() else dict()
newest = node(pathlib.Path(source, "revision").read_text())
nodes = dict(nixpkgs=newest if "update" in words else old.get("nixpkgs", newest))
nodes |= {{f"agent-{{name}}": node(pin["rev"]) for name, pin in inputs["agents"].items()}}
nodes["root"] = dict(inputs={{name: name for name in nodes}})
file.write_text(json.dumps(dict(nodes=nodes, root="root", version=7)))
"""


def make_fake_nix(directory: Path) -> Path:
    """Write the program into a directory and return its path."""
    program = directory / "nix"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return program


def set_revision(nixpkgs: Path, revision: str) -> str:
    """Make this the newest revision of a nixpkgs; return it."""
    nixpkgs.mkdir(exist_ok=True)
    (nixpkgs / "revision").write_text(revision)
    return revision
