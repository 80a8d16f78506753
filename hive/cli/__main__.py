"""Run the operator's command line: `python -m hive.cli`."""

from __future__ import annotations

import sys

from hive.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
