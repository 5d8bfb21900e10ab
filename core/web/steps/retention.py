"""How long activities are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.web.steps.question import Form, Sections, Setup

DAYS = (30, 90, 180, 365, 730, 1095)
EVER = "ever"


def read_retention(setup: Setup, form: Form) -> Sections:
    """Read how long activities are kept, and which longer."""
    days = _read_days(form.get("days", ""), setup.manifest.retention_days)
    activities = {
        spec.key: _read_days(value, days)
        for spec in setup.manifest.activities
        if (value := form.get(f"days-{spec.key}"))
    }
    return {"retention": {"days": days, "activities": activities}}


def _read_days(text: str, default: int | None) -> Any:
    if text == EVER:
        return None
    # What is no number is told by the configuration's own check.
    return int(text) if text.isdecimal() else text or default


def view_retention(setup: Setup) -> Mapping[str, Any]:
    """Return the types of activity by object, with their lengths."""
    choices = setup.choices
    labels = {spec.key: spec.label for spec in setup.manifest.objects}
    groups: dict[str, list[Any]] = {}
    for spec in setup.manifest.activities:
        if spec.object in choices.objects:
            own = choices.activity_days.get(spec.key, ...)
            groups.setdefault(labels[spec.object], []).append((spec, own))
    lengths = {*DAYS, setup.manifest.retention_days, choices.days, *choices.activity_days.values()} - {None}
    return {"groups": groups, "days": choices.days, "lengths": sorted(lengths), "unset": ...}
