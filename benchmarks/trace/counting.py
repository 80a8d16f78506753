"""A profiler that counts calls on one thread and distinguishes our code from that of others."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType

from attrs import astuple, define, field, frozen

import actors
import hive

_ROOTS = tuple(f"{Path(str(package.__file__)).parent}/" for package in (actors, hive))
_GENERATED = ("<attrs generated methods actors.", "<attrs generated methods hive.")
"""Beginning of the file names that attrs gives to generated code."""

_HERE = f"{Path(__file__).parent}/"


@frozen
class Cost:
    """Calls on one thread.

    Attributes:
        own: Calls of functions of `actors` and `hive`, and of what attrs generates for them. A
            coroutine is called again each time it goes on.
        others: Calls of other functions in Python.
        c: Calls of functions in C, as far as Python makes them. What C calls is not seen.
        functions: Different functions of ours.
        files: Different files of ours that they are in.
    """

    own: float
    others: float
    c: float
    functions: float
    files: float

    def per(self, messages: int) -> Cost:
        """Return the calls for each message; functions and files are those of all."""
        calls = (self.own / messages, self.others / messages, self.c / messages)
        return Cost(*calls, self.functions, self.files)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each number."""
    return Cost(*map(statistics.median, zip(*map(astuple, costs), strict=True)))


@define(eq=False)
class CallCounter:
    """Counts from `start` to `stop`, both called on the counted thread.

    What this package calls is not counted.
    """

    _python: Counter[CodeType] = field(factory=Counter, init=False)
    _c: Counter[CodeType] = field(factory=Counter, init=False)

    def start(self) -> None:
        """Reset the counts and begin to count."""
        self._python.clear()
        self._c.clear()
        sys.setprofile(self._note)

    def stop(self) -> Cost:
        """Stop, and return the counts."""
        sys.setprofile(None)
        own = [code for code in self._python if _is_own(code)]
        ours = sum(self._python[code] for code in own)
        return Cost(
            own=ours,
            others=_total(self._python) - ours,
            c=_total(self._c),
            functions=len(own),
            files=len({code.co_filename for code in own if not code.co_filename.startswith("<")}),
        )

    def called(self) -> list[tuple[str, int]]:
        """Return our functions with their calls, most often called first."""
        own = [(code, count) for code, count in self._python.most_common() if _is_own(code)]
        return [(f"{_place(code)} {code.co_qualname}", count) for code, count in own]

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call":
            self._python[frame.f_code] += 1
        elif event == "c_call":
            self._c[frame.f_code] += 1


def _total(calls: Counter[CodeType]) -> int:
    return sum(n for code, n in calls.items() if not code.co_filename.startswith(_HERE))


def _is_own(code: CodeType) -> bool:
    return code.co_filename.startswith((*_ROOTS, *_GENERATED))


def _place(code: CodeType) -> str:
    name = code.co_filename
    root = next((root for root in _ROOTS if name.startswith(root)), None)
    return name if root is None else name[len(str(Path(root).parent)) + 1 :]
