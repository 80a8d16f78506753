"""The first page: what needs the operator, who works, and what happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.view.agent_cells import cells_of
from hive.view.attention_lines import is_waiting
from hive.view.places import Place, counts_by_tier
from hive.view.text import span
from hive.web.hive_picture import HivePicture, PictureSource
from hive.web.live_lists import Lists, MadeOnce
from hive.web.page_answers import PageAnswers, Row

PEERS = "peers"
"""The title of the group of peers."""


class OverviewPage:
    """Answers requests for the first page.

    Args:
        answers: Answers with pages.
        source: The pictures of the hive.
    """

    def __init__(self, answers: PageAnswers, source: PictureSource) -> None:
        self._answers = answers
        self._source = source
        self._lists = MadeOnce(self._made)

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [Route("/", self.show), Route("/live/overview", self.live)]

    async def show(self, request: Request) -> Response:
        """Return the page."""
        picture = await self._source.now()
        waiting = sum(map(is_waiting, picture.items))
        lists = self._made(picture)
        return self._answers.page(
            request,
            "overview.html",
            lists=lists,
            waiting=waiting,
            trouble=picture.trouble,
            hive=picture.overview.get("name") or "hive",
        )

    async def live(self, request: Request) -> Response:
        """Keep the page up to date."""
        return self._answers.live(request, self._source.latest, self._lists)

    def _made(self, picture: HivePicture) -> Lists:
        part = self._answers.templates.part
        waiting = [item for item in picture.items if is_waiting(item)]
        later = [item for item in picture.items if not is_waiting(item)]
        return {
            "notices": notices(picture, self._answers),
            "summary": {"summary": part("summary", picture.overview, _counts(picture))},
            "count": {"count": part("count", len(waiting))},
            "items": {item["id"]: part("item", item, "/") for item in waiting},
            "later": {item["id"]: part("later", item) for item in later},
            "agents": dict(self._agents(picture)),
            "messages": {f"m{row['id']}": part("flow", row) for row in picture.messages[::-1]},
            "events": {f"e{row['seq']}": part("event_row", row) for row in picture.events[::-1]},
        }

    def _agents(self, picture: HivePicture) -> Iterator[tuple[str, Markup]]:
        """Yield the rows of agents by project, and those of peers, each group after its title."""
        part, before = self._answers.templates.part, ""
        rows = grouped(in_places(picture))
        for row in rows:
            title = project_title(row, rows)
            if title and title != before:
                yield f"title {title}", part("title_row", title)
            before = title
            place = picture.places.get(row["name"], Place("unknown", 0))
            cells = cells_of(with_tier(row, place.tier), self._answers.now())
            mark = PEERS[:-1] if row.get("kind") == "peer" else place.tier
            yield f"row {row['name']}", part("agent_row", row, place.tier, mark, cells)


def notices(picture: HivePicture, answers: PageAnswers) -> dict[str, Markup]:
    """Return what is wrong with all of a page: the daemon is away, or says that it has trouble."""
    part = answers.templates.part
    found = {f"n{text}": part("notice", text) for text in picture.notices}
    if picture.trouble is not None:
        since = "" if picture.read_at is None else _since(picture.read_at, answers.now())
        found["away"] = part("away", picture.trouble, since)
    return found


def in_places(picture: HivePicture) -> list[Row]:
    """Return the status rows of those that are not put off, in the order of `top`."""
    rows = {row["name"]: row for row in picture.agents}
    found = (rows[name] for name in picture.places if name in rows)
    return [row for row in found if is_waiting(row)]


def with_tier(row: Row, tier: str) -> Row:
    """Return a row whose state says what it waits for, and since when."""
    words = dict(row)
    if str(row.get("state")) in {"running", "connected"} and tier in {"waiting", "idle"}:
        words["state"] = tier
    if row.get("tier_since"):
        words["since"] = row["tier_since"]
    return words


def project_title(row: Row, rows: list[Row]) -> str:
    """Return the title of a row's group; none if there are no projects."""
    if row.get("kind") == "peer":
        return PEERS
    if row.get("project"):
        return f"project {row['project']}"
    return "no project" if any(each.get("project") for each in rows) else ""


def grouped(rows: list[Row]) -> list[Row]:
    """Return rows by project, the project with the most urgent one first, and peers at the end."""
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(_group(row), number)
    return sorted(rows, key=lambda row: (row.get("kind") == "peer", first[_group(row)]))


def _group(row: Row) -> str:
    return PEERS if row.get("kind") == "peer" else f"project {row.get('project')}"


def _counts(picture: HivePicture) -> str:
    if picture.read_at is None:
        return ""
    return "; ".join(counts_by_tier(picture.agents, picture.places))


def _since(at: float, now: float) -> str:
    clock = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
    return f"{clock} ({span(now - at)} ago)"
