"""Puts manual pages, completions and documentation into a wheel; see `hive.shared_files`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SharedFiles(BuildHookInterface[Any]):
    """Writes what is made below `build`, and adds it to the wheel as data of the installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files; an editable installation has none."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from hive.shared_files import copied_files, made_files

        root = Path(self.root)
        now = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
        files = copied_files(root) | made_files(root / "build" / "share", now)
        build_data["shared_data"] |= {str(path): place for place, path in files.items()}
