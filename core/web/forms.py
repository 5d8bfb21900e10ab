"""The form of a step: read, shown again after a button that changes only the form, or with what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from werkzeug.datastructures import MultiDict

from core.services.configuration import SECTIONS, read_config
from core.services.errors import Invalid
from core.services.selecting import catalogue_of
from core.web.builder.form import state
from core.web.builder.shown import Builder, told
from core.web.steps.fields import ticked_all
from core.web.steps.question import Setup, Step
from core.web.steps.records import count_records

Form = MultiDict[str, str]


@dataclass(frozen=True)
class Answer:
    """What a form said.

    Attributes:
        setup: With the answer in its configuration, as far as it can be read.
        form: As it was sent, after its button.
        sections: The answer.
        changed_only: A button was pressed that changes the form and keeps nothing.
    """

    setup: Setup
    form: Form
    sections: Mapping[str, Any]
    changed_only: bool


def answered(setup: Setup, step: Step, form: Form) -> Answer:
    """Read the form of a step."""
    changed_only = "tick" in form or "do" in form
    if "tick" in form:
        form = ticked_all(setup, form)
    sections = step.read(setup, form)
    config = {**setup.config, **sections}
    try:
        read_config(config, setup.manifest)
    except Invalid:
        # What cannot be read is shown as it was before; the errors say what is wrong with it.
        config = dict(setup.config)
    return Answer(replace(setup, config=config), form, sections, changed_only)


def shown(
    setup: Setup, step: Step, form: Form | None = None, errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what the template of a step needs."""
    errors = errors or {}
    values = dict(step.view(setup))
    if step.key == "records" and form is not None:
        for kind, each in zip([kind for kind in SECTIONS if setup.has(kind)], values["kinds"], strict=True):
            key = each["key"]
            catalogue, root = catalogue_of(setup.manifest, setup.schema, kind), state(form, key)
            here = told(key, root, catalogue, errors, f"selection.{key}")
            asked = Builder(key, catalogue, root, here)
            each |= {"some": form.get(f"{key}.mode") == "some", "builder": asked}
            if form.get("do") == f"count:{key}":
                each |= {"asked": True, "count": count_records(setup, kind, asked)}
        errors = {where: text for where, text in errors.items() if not where.startswith("selection.")}
    return {"setup": setup, "step": step, "choices": setup.choices, "errors": errors, **values}
