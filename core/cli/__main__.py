"""``python -m core.cli``: the command line without its console script, as child processes are started."""

from __future__ import annotations

from core.cli import main

main(prog_name="mainstem")
