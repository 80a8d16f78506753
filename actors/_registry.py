"""Names of actors: unique, freed when their owner is gone for good."""

from typing import TYPE_CHECKING, Any

from attrs import define, field

from actors._errors import NameTaken

if TYPE_CHECKING:
    from actors._cell import Cell


@define(eq=False)
class Registry:
    """The registered names of one actor system.

    A supervised actor keeps its name while it waits to be restarted, but cannot be found
    under it: `find` never returns a dead actor.
    """

    _cells: "dict[str, Cell[Any]]" = field(factory=dict, init=False)

    def claim(self, name: str, cell: "Cell[Any]") -> None:
        """Register `cell`; claiming one's own name again is harmless.

        Raises:
            NameTaken: Another actor has the name.
        """
        if self._cells.setdefault(name, cell) is not cell:
            raise NameTaken(name)

    def release(self, name: str, cell: "Cell[Any]") -> None:
        """Free a name if `cell` has it."""
        if self._cells.get(name) is cell:
            del self._cells[name]

    def find(self, name: str) -> "Cell[Any] | None":
        """Return the living actor of this name."""
        cell = self._cells.get(name)
        return cell if cell is not None and cell.alive else None

    def names(self) -> tuple[str, ...]:
        """Return the names of all living actors, sorted."""
        return tuple(sorted(name for name, cell in self._cells.items() if cell.alive))
