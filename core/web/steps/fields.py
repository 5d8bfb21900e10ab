"""Which objects and fields come in, and which system fields may be changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from core.contract.fields import SYSTEM_FIELDS, Entity, SystemField
from core.contract.types import JSON, FieldSpec, Manifest
from core.pipeline.schemas import Reader
from core.services.configuration import Chosen
from core.web.steps.question import Form, Sections, Setup, has


def read_options(setup: Setup, form: Form) -> Sections:
    """Read which system fields may be modified, and what happens to the deleted."""
    every = [spec.key for _, specs in fields_by_kind(setup.manifest) for spec in specs]
    ticked = [key for key in every if key in form.getlist("modify")]
    options = {
        "modify_fields": "all" if len(ticked) == len(every) else ticked,
        "keep_existing_values": "keep" in form,
        "archive_deleted": "archive" in form and setup.manifest.deletes,
    }
    return {"options": options}


def view_options(setup: Setup) -> Mapping[str, Any]:
    """Return the system fields by kind."""
    return {"kinds": fields_by_kind(setup.manifest)}


def fields_by_kind(manifest: Manifest) -> list[tuple[str, list[SystemField]]]:
    """Return the system fields that the plugin's objects may feed, by kind."""
    labels: Mapping[Entity, str] = {"person": "People", "organization": "Organizations"}
    kinds = {spec.kind for spec in manifest.objects}
    return [(label, list(SYSTEM_FIELDS[kind])) for kind, label in labels.items() if kind in kinds]


def read_fields(setup: Setup, form: Form) -> Sections:
    """Read the chosen objects and fields. All fields of an object means those too that it gets later."""
    objects, chosen = set(form.getlist("object")), set(form.getlist("field"))
    found: dict[str, Any] = {}
    for spec in setup.objects:
        if not spec.required and spec.key not in objects:
            continue
        offered = [each.key for each in setup.fields_of(spec.key)]
        ticked = [key for key in offered if f"{spec.key}:{key}" in chosen]
        found[spec.key] = "all" if len(ticked) == len(offered) else ticked
    return {"objects": found}


def ticked_all(setup: Setup, form: Form) -> Form:
    """Return the form after a button that ticks all fields of an object, or none: ``tick=contact:all``."""
    changed: Form = MultiDict(form)
    object, _, which = form.get("tick", "").rpartition(":")
    others = [name for name in form.getlist("field") if not name.startswith(f"{object}:")]
    all_of_it = [f"{object}:{spec.key}" for spec in setup.fields_of(object)] if which == "all" else []
    changed.setlist("field", others + all_of_it)
    return changed


def view_fields(setup: Setup) -> Mapping[str, Any]:
    """Return each object with its fields, each ticked or not, and what it feeds."""
    system: dict[tuple[str, str], str] = {
        (kind, spec.key): spec.label for kind, specs in SYSTEM_FIELDS.items() for spec in specs
    }
    choices = setup.choices
    groups = []
    for spec in setup.objects:
        chosen: Chosen = choices.objects.get(spec.key, frozenset())
        rows = [
            {
                "spec": each,
                "ticked": spec.key in choices.objects and has(chosen, each.key),
                "sample": _sample(each),
                "feeds": system.get((spec.kind, each.feeds or "")),
                "new": (spec.key, each.key) in setup.new,
            }
            for each in setup.fields_of(spec.key)
        ]
        groups.append({"spec": spec, "ticked": spec.key in choices.objects, "rows": rows})
    return {"groups": groups}


def _sample(spec: FieldSpec) -> JSON:
    """Return the sample as it would be stored; None if it could not be."""
    try:
        return Reader(spec.key, spec.type)(spec.sample)
    except ValidationError:
        return None
