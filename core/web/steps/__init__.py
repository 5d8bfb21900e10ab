"""The questions about a data source: asked one after the other while it is set up, and singly when it is edited.

Each step reads its form into sections of the configuration, and says in its template what each choice leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.contract.types import Manifest
from core.services.configuration import SECTIONS
from core.web.steps.fields import read_fields, read_options, view_fields, view_options
from core.web.steps.merge import read_merge, view_merge
from core.web.steps.question import Step
from core.web.steps.records import read_records, view_records
from core.web.steps.retention import read_retention, view_retention
from core.web.steps.teams import read_teams, view_teams

STEPS: Mapping[str, Step] = MappingProxyType(
    {
        step.key: step
        for step in (
            Step(
                "fields",
                "Fields",
                ("objects",),
                "What should come in?",
                "Choose the objects, and of each object the fields. Nothing is ever changed at the vendor.",
                lambda manifest: True,
                read_fields,
                view_fields,
            ),
            Step(
                "teams",
                "Teams",
                ("teams",),
                "Who works here too?",
                "Teammates become users of Mainstem. They get an invitation by email before they can log in.",
                lambda manifest: manifest.teams,
                read_teams,
                view_teams,
            ),
            Step(
                "retention",
                "Data retention",
                ("retention",),
                "How long are activities kept?",
                "Activities older than this are not imported, and those here are deleted when they get this old.",
                lambda manifest: bool(manifest.activities),
                read_retention,
                view_retention,
            ),
            Step(
                "records",
                "Select records",
                ("selection",),
                "Which records come in?",
                "All of them, or only some: you choose by their fields and tags at the vendor.",
                lambda manifest: manifest.selective,
                read_records,
                view_records,
            ),
            Step(
                "merge",
                "Merge",
                ("merge",),
                "What happens to people who are already here?",
                "A record that comes in may belong to somebody you know already, from another source or by hand.",
                lambda manifest: any(spec.kind in SECTIONS for spec in manifest.objects),
                read_merge,
                view_merge,
            ),
        )
    }
)
"""The questions that a plugin may have asked."""

OPTIONS = Step(
    "options",
    "Modifiable fields",
    ("options",),
    "Modifiable fields",
    "Untick what shall stay as it is here, and say what happens to what is deleted there.",
    lambda manifest: True,
    read_options,
    view_options,
)
"""Asked on the connect page, before there is an account."""


def steps_of(manifest: Manifest) -> list[Step]:
    """Return the steps that a plugin asks for and that make sense for it, in its order."""
    return [STEPS[key] for key in manifest.steps if STEPS[key].applies(manifest)]
