"""Run the bot until it is interrupted: `python -m release_bot CHANGELOG STATE_DIR`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from hive import Hive
from release_bot.app import PEERS, agents
from release_bot.reviewer import in_changelog


async def main(changelog: Path, state_dir: Path) -> None:
    async with Hive(state_dir, agents=agents(in_changelog(changelog)), peers=PEERS) as hive:
        print("the peer ci joins at", hive.paths.agent_socket("ci"), flush=True)
        await hive.wait_ended()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
