"""Which records come in, and how many these are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.contract.errors import SourceError
from core.contract.fields import Entity
from core.filters import FilterError, parse
from core.host import PluginError
from core.services.configuration import SECTIONS
from core.services.estimating import Estimate, Waiting
from core.services.selecting import catalogue_of
from core.web.builder import trees
from core.web.builder.form import state
from core.web.builder.shown import Builder, told
from core.web.steps.question import Form, Sections, Setup


def read_records(setup: Setup, form: Form) -> Sections:
    """Read the conditions on people and organizations."""
    return {
        "selection": {
            key: trees.tree(state(form, key), catalogue_of(setup.manifest, setup.schema, kind))
            if form.get(f"{key}.mode") == "some"
            else None
            for kind, key in SECTIONS.items()
            if setup.has(kind)
        }
    }


@dataclass(frozen=True)
class Count:
    """How many records meet conditions, or why that cannot be told.

    Attributes:
        estimates: By object.
        problem: Why there are none.
        waits: The vendor has not answered yet.
        missing: What the conditions lack, in words.
    """

    estimates: Sequence[Estimate] = ()
    problem: str = ""
    waits: bool = False
    missing: Sequence[str] = ()


def count_records(setup: Setup, kind: Entity, shown: Builder) -> Count | None:
    """Return how many of the account's records meet what is in a builder; None where nobody can tell."""
    if setup.estimate is None:
        return None
    try:
        asked = parse(trees.tree(shown.root, shown.catalogue), shown.catalogue)
        return Count(setup.estimate(kind, asked))
    except FilterError as error:
        places = {f"{kind}.{path}" if path else kind: text for path, text in error.errors.items()}
        return Count(missing=sorted(set(told(shown.name, shown.root, shown.catalogue, places, kind).values())))
    except Waiting:
        return Count(waits=True)
    except (SourceError, PluginError) as error:
        return Count(problem=str(error))


def view_records(setup: Setup) -> Mapping[str, Any]:
    """Return a builder for each kind."""
    labels = {kind: [spec.label for spec in setup.manifest.objects if spec.kind == kind] for kind in SECTIONS}
    return {
        "kinds": [
            {
                "key": key,
                "label": " and ".join(labels[kind]),
                "some": setup.choices.selection.get(kind) is not None,
                "builder": Builder(
                    key,
                    catalogue_of(setup.manifest, setup.schema, kind),
                    trees.from_tree(setup.choices.selection.get(kind)),
                ),
            }
            for kind, key in SECTIONS.items()
            if setup.has(kind)
        ]
    }
