"""The rate of an agent's output: what is kept of a flood.

The agent appends to its log itself, so the daemon cannot refuse output; it looks at the size, often
while there is too much, and drops what is over the rate. The newest output is kept, since it says
why an agent ended.
"""

from __future__ import annotations

from attrs import define, field

from hive.config import in_units
from hive.machines import output_log
from hive.machines.output_log import OutputLog
from hive.quantities import counted


@define(eq=False)
class LogRate:
    """A token bucket of bytes for one log. Blocks: use a thread.

    The last `TAIL_BYTES` are kept in any case, so the bucket may owe as many: as long as it does
    not owe more, nothing is dropped.

    Attributes:
        log: The log.
        rate: Bytes per second that are kept.
        burst: Bytes that are kept at once.
        size: Size of the log at the last look.
        at: Time in seconds of the last look, on a clock that never goes backwards.
        dropped: Bytes of the present flood that were dropped; 0 without one.
    """

    log: OutputLog
    rate: int
    burst: int
    size: int
    at: float
    dropped: int = field(default=0, init=False)
    _tokens: float = field(init=False)
    _flood: int | None = field(default=None, init=False)
    _note_bytes: int = field(default=0, init=False)

    @_tokens.default
    def _full(self) -> float:
        return self.burst

    def limit(self, now: float) -> bool:
        """Drop what is over the rate since the last look; return whether something is.

        During a flood only its newest output is kept; it ends with the first look that finds no
        more new output than the rate allows since the look before.
        """
        size = self.log.size()
        self._tokens = min(self.burst, self._tokens + self.rate * (now - self.at))
        self.at = now
        if size < self.size:  # rotated
            self.size, self._flood = 0, None
        new = size - self.size
        if new <= self._tokens + output_log.TAIL_BYTES:
            self._tokens -= new
            self.size, self._flood = size, None
            return False
        self._drop()
        return True

    def _drop(self) -> None:
        if self._flood is None:  # what is owed is over the rate, too
            self._flood = max(0, self.size + int(self._tokens))
            self.dropped = self._note_bytes = 0
        self._note_bytes = self.log.drop_after(self._flood, self._note, note=self._note_bytes)
        self.size = self.log.size()
        self._tokens = float(self._flood + self._note_bytes - self.size)  # the tail is owed

    def _note(self, count: int) -> str:
        self.dropped += count
        return f"{counted(self.dropped, 'byte')} dropped: over {in_units(self.rate)} per second"
