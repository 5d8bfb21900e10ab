"""The report of a plugin's checks, to be printed, kept and shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.kit.rule import RULES, TIERS
from core.kit.trial import Result, Trial

Reached = Literal["none", "needed", "good", "excellent"]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all rules.

    Attributes:
        plugin: The plugin's name.
        version: Of the distribution that brought it; "" if none did.
        results: In the order of the rules.
        checked_at: When.
    """

    plugin: str
    version: str
    results: tuple[Result, ...]
    checked_at: datetime

    @property
    def tier(self) -> Reached:
        """The highest tier all of whose rules, and of those below it, are kept."""
        reached: Reached = "none"
        for tier in TIERS:
            if any(result.status in ("broken", "blocked") for result in self.results if result.rule.tier == tier):
                break
            reached = tier
        return reached

    @property
    def broken(self) -> list[Result]:
        """The rules that are broken."""
        return [result for result in self.results if result.status == "broken"]

    def to_json(self) -> dict[str, Any]:
        """Return the report as it is kept and shown."""
        return {
            "plugin": self.plugin,
            "version": self.version,
            "tier": self.tier,
            "checked_at": self.checked_at.isoformat(timespec="seconds"),
            "rules": [
                {"rule": r.rule.key, "tier": r.rule.tier, "status": r.status, "detail": r.detail} for r in self.results
            ],
        }


def run_checks(
    plugin: object,
    exempt: Mapping[str, str] | None = None,
    people: int | None = None,
    version: str = "",
    on_result: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Check a plugin against all rules, with its own sandbox, in this process and without a network.

    Args:
        plugin: As its entry point holds it. What it exempts itself, by an attribute ``exempt`` of the same form,
            counts as well.
        exempt: Rules that shall not count, each with the reason.
        people: How many people the sandbox has; by default three of the plugin's pages.
        version: Of its distribution.
        on_result: Told of each result as it comes.

    Raises:
        ValueError: An exemption names no rule, or gives no reason.
    """
    trial = Trial(plugin, {**getattr(plugin, "exempt", {}), **(exempt or {})}, people)
    results = []
    for key in RULES:
        results.append(trial.check(key))
        on_result(results[-1])
    name = getattr(getattr(plugin, "manifest", None), "name", type(plugin).__name__)
    return Report(str(name), version, tuple(results), datetime.now(UTC))


def keep(report: Report, instance: Path) -> Path:
    """Write a report to ``checks/NAME.json`` in the instance folder, replacing the one before; return the file."""
    folder = instance / "checks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{report.plugin}.json"
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    draft.replace(file)
    return file


def kept(plugin: str, instance: Path) -> dict[str, Any] | None:
    """Return the last report of a plugin, in the form of :meth:`Report.to_json`; None when it was never checked."""
    try:
        found = json.loads((instance / "checks" / f"{plugin}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
