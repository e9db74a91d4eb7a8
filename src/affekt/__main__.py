"""Run the command line as ``python -m affekt``."""

from __future__ import annotations

from affekt.cli import main

if __name__ == "__main__":
    main()
