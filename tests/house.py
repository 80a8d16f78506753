"""Count the code: `python -m tests.house` prints the figures of each room of `actors` and `hive`.

A room is a package. Below the table are the modules that exactly one other module imports, and the
names of files and of public classes that occur more than once.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean, median

from attrs import frozen

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("actors", "hive")

_LAYOUT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})
_ENDS = frozenset({tokenize.ENCODING, tokenize.ENDMARKER})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ENTRIES = frozenset({"__init__.py", "__main__.py"})
"""File names that every package may have."""
_WORD = re.compile(r"`([a-z_][a-z0-9_]*)`")
"""A word that may name a module or a function, in a docstring."""

_FORMAT = "{:28}" + "{:>7}" * 12
_TITLES = (
    *("room", "files", "lines", "median", "max", "code", "import"),
    *("comm.", "docstr", "class", "funct.", "mean", "doc'd"),
)


@frozen(kw_only=True)
class Module:
    """The figures of one module; code, imports, comments and docstrings are numbers of lines."""

    name: str
    """Its dotted name; that of the package for an `__init__.py`."""
    path: Path
    """Relative to the root."""
    docstring: str
    lines: int
    code: int
    """Lines with code, imports included."""
    imports: int
    comments: int
    """Lines with nothing but a comment."""
    docstrings: int
    """Attribute docstrings included."""
    classes: int
    public_classes: tuple[str, ...]
    """Names of the public classes at its top level."""
    functions: tuple[int, ...]
    """The length in lines of each function and method."""
    documented: tuple[bool, ...]
    """Whether each public module, class, function and method has a docstring."""
    imported: frozenset[str]
    """Dotted names that it imports: modules, or names in modules."""
    defined: frozenset[str]
    """Names that it defines at its top level or imports."""

    @property
    def room(self) -> str:
        """The directory of its package."""
        return str(self.path.parent)


def read(root: Path) -> list[Module]:
    """Return the modules of all packages under `root`, by path."""
    return [
        _module(path.relative_to(root), path.read_text())
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    ]


def file_names(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Return the file names that occur more than once in a package, with their paths."""
    return _repeated((module, module.path.name) for module in modules)


def class_names(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Return the public classes that two modules of a package define, with the modules' paths."""
    return _repeated((module, name) for module in modules for name in module.public_classes)


def single_importers(modules: Sequence[Module]) -> dict[str, str]:
    """Return the paths of the modules that exactly one other module imports, with that module's."""
    importers = defaultdict(set)
    names = {module.name for module in modules}
    for module in modules:
        for name in module.imported:
            importers[name if name in names else name.rpartition(".")[0]].add(str(module.path))
    return {
        str(module.path): next(iter(importers[module.name]))
        for module in modules
        if len(importers[module.name]) == 1 and module.path.name not in _ENTRIES
    }


def unknown_words(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Return the words in the docstring of each package that name nothing in the package.

    A word is lower-case and in backticks. It may name a module or a package in the package, or
    something that its `__init__` defines or imports.
    """
    names = {module.name for module in modules}
    return {
        module.name: unknown
        for module in modules
        if module.path.name == "__init__.py"
        and (
            unknown := [
                word
                for word in dict.fromkeys(_WORD.findall(module.docstring))
                if word not in module.defined and f"{module.name}.{word}" not in names
            ]
        )
    }


def unnamed_modules(modules: Sequence[Module], least: int) -> dict[str, list[str]]:
    """Return the modules that the docstring of their package does not name, by package.

    Args:
        modules: All modules.
        least: Lines of the shortest module that a docstring has to name.
    """
    packages = {module.name: module for module in modules if module.path.name == "__init__.py"}
    found = defaultdict(list)
    for module in modules:
        package, _, name = module.name.rpartition(".")
        if module.path.name in _ENTRIES or module.lines < least:
            continue
        docstring = packages[package].docstring if package in packages else ""
        if name not in _WORD.findall(docstring):
            found[package].append(name)
    return dict(found)


def table(modules: Iterable[Module]) -> list[str]:
    """Return the figures of each room and the sums of each package, as aligned lines."""
    rows = [_FORMAT.format(*_TITLES)]
    for package, members in groupby(modules, lambda module: module.path.parts[0]):
        rooms = defaultdict(list)
        for module in members:
            rooms[module.room].append(module)
        rows += [_row(room, found) for room, found in sorted(rooms.items())]
        rows.append(
            _row(f"{package} (all)", [module for room in rooms.values() for module in room])
        )
    return rows


def _row(title: str, modules: Sequence[Module]) -> str:
    lengths = [length for module in modules for length in module.functions]
    documented = [each for module in modules for each in module.documented]
    return _FORMAT.format(
        title,
        len(modules),
        sum(module.lines for module in modules),
        round(median(module.lines for module in modules)),
        max(module.lines for module in modules),
        sum(module.code for module in modules),
        sum(module.imports for module in modules),
        sum(module.comments for module in modules),
        sum(module.docstrings for module in modules),
        sum(module.classes for module in modules),
        len(lengths),
        f"{fmean(lengths):.1f}" if lengths else "-",
        f"{fmean(documented):.0%}" if documented else "-",
    )


def _repeated(named: Iterable[tuple[Module, str]]) -> dict[str, list[str]]:
    paths = defaultdict(list)
    for module, name in named:
        if name not in _ENTRIES:
            paths[module.path.parts[0], name].append(str(module.path))
    return {name: found for (_, name), found in sorted(paths.items()) if len(found) > 1}


def _module(path: Path, source: str) -> Module:
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    docstrings = _lines_of(node for node in nodes if _is_docstring(node))
    code, comments = _code_and_comments(source)
    dotted = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return Module(
        name=".".join(dotted.parts),
        path=path,
        docstring=ast.get_docstring(tree) or "",
        lines=len(source.splitlines()),
        code=len(code - docstrings),
        imports=len(_lines_of(n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom)))),
        comments=len(comments - code),
        docstrings=len(docstrings),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        public_classes=tuple(
            node.name for node in tree.body if isinstance(node, ast.ClassDef) and _is_public(node)
        ),
        functions=tuple(
            (node.end_lineno or node.lineno) - node.lineno + 1
            for node in nodes
            if isinstance(node, _FUNCTIONS)
        ),
        documented=tuple(ast.get_docstring(node) is not None for node in _public(tree)),
        imported=frozenset(_imported(nodes)),
        defined=frozenset(_defined(tree)),
    )


def _code_and_comments(source: str) -> tuple[set[int], set[int]]:
    """Return the numbers of the lines with code and of those with a comment."""
    code: set[int] = set()
    comments: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in _LAYOUT | _ENDS:
            code.update(range(token.start[0], token.end[0] + 1))
    return code, comments


def _lines_of(nodes: Iterable[ast.AST]) -> set[int]:
    return {
        line
        for node in nodes
        if isinstance(node, ast.stmt)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _is_docstring(node: ast.AST) -> bool:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _public(
    node: ast.Module | ast.ClassDef,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield a module or class, and its public classes, functions and methods."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and _is_public(child):
            yield from _public(child)
        elif isinstance(child, _FUNCTIONS) and _is_public(child):
            yield child


def _is_public(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return not node.name.startswith("_")


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, *_FUNCTIONS)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)


def _section(title: str, found: Mapping[str, Iterable[str]]) -> list[str]:
    lines = [f"  {name}: {', '.join(paths)}" for name, paths in found.items()]
    return ["", f"{title} ({len(found)})", *lines]


def main() -> None:
    """Print the table and the lists."""
    modules = read(ROOT)
    single = {path: [importer] for path, importer in single_importers(modules).items()}
    lines = [
        *table(modules),
        *_section("Modules with exactly one importer", single),
        *_section("File names used more than once", file_names(modules)),
        *_section("Names of public classes used more than once", class_names(modules)),
    ]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
