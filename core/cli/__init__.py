"""The command line: ``mainstem``. Each command is a module of this package, imported when it is called."""

from __future__ import annotations

from core.cli.root import main

__all__ = ["main"]
