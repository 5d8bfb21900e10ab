"""The questions about a data source: asked one after the other while it is set up, and singly when it is edited.

Each step reads its form into sections of the configuration, and says in its template what each choice leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from core.contract.errors import SourceError
from core.contract.fields import SYSTEM_FIELDS, Entity, SystemField
from core.contract.types import JSON, FieldSpec, Manifest, MergePolicy, ObjectSpec, Roster, TeamUser
from core.filters import Filter, FilterError, parse
from core.host import PluginError
from core.pipeline.schemas import Reader
from core.services.configuration import ROLES, SECTIONS, Chosen, SourceConfig, read_config
from core.services.estimating import Estimate, Waiting
from core.services.selecting import catalogue_of
from core.web import builder

Form = MultiDict[str, str]
Sections = dict[str, Any]

DAYS = (30, 90, 180, 365, 730, 1095)
EVER = "ever"


@dataclass(frozen=True)
class Setup:
    """What is asked about: an account, what it offers, and what is chosen so far.

    Attributes:
        manifest: The plugin's.
        account: The account's name.
        config: As it is stored.
        schema: The fields that the account offers.
        roster: Its users and teams.
        problem: Why these could not be read.
        policies: The merge keys that the plugin proposes, by kind.
        new: Fields that appeared after the data source was connected, by object and key.
        estimate: Tells how many of the account's records of a kind meet conditions; None where nobody can tell.
    """

    manifest: Manifest
    account: str
    config: Mapping[str, Any]
    schema: list[FieldSpec]
    roster: Roster = field(default_factory=Roster)
    problem: str | None = None
    policies: Mapping[Entity, MergePolicy] = field(default_factory=dict)
    new: frozenset[tuple[str, str]] = frozenset()
    estimate: Callable[[Entity, Filter], list[Estimate]] | None = None

    @property
    def choices(self) -> SourceConfig:
        """The choices with defaults for what is not answered yet."""
        return read_config(self.config, self.manifest)[0]

    def fields_of(self, object: str) -> list[FieldSpec]:
        """Return the fields of an object."""
        return [spec for spec in self.schema if spec.object == object]

    @property
    def objects(self) -> list[ObjectSpec]:
        """The objects that are offered by themselves."""
        return [spec for spec in self.manifest.objects if spec.comes_with is None]

    def has(self, kind: Entity) -> bool:
        """Tell whether any object becomes this kind."""
        return any(spec.kind == kind for spec in self.manifest.objects)


@dataclass(frozen=True)
class Step:
    """A question.

    Attributes:
        key: Its place in addresses.
        label: Its name for people.
        sections: Which sections of the configuration it answers.
        title: The question.
        help: What it is about, one or two sentences.
        applies: Whether it makes sense for a plugin.
        read: Reads its form.
        view: What its template needs, from the form if one was sent.
    """

    key: str
    label: str
    sections: tuple[str, ...]
    title: str
    help: str
    applies: Callable[[Manifest], bool]
    read: Callable[[Setup, Form], Sections]
    view: Callable[[Setup], Mapping[str, Any]]

    @property
    def template(self) -> str:
        """The template of its form."""
        return f"steps/{self.key}.html"


# --- system fields that may be modified ---------------------------------------------------------------------------


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


# --- fields -------------------------------------------------------------------------------------------------------


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


# --- teams --------------------------------------------------------------------------------------------------------


def read_teams(setup: Setup, form: Form) -> Sections:
    """Read which teams, members and other users come in, and their roles."""
    pairs, teams = set(form.getlist("member")), form.getlist("team")
    ids = [team.remote_id for team in setup.roster.teams]
    members = {
        team.remote_id: _words(team.members, [user for user in team.members if f"{team.remote_id}:{user}" in pairs])
        for team in setup.roster.teams
    }
    loose = [user.remote_id for user in loose_users(setup.roster)]
    ticked = [id for id in loose if id in form.getlist("user")]
    section: dict[str, Any] = {
        "teams": _words(ids, [id for id in ids if id in teams]),
        "users": "all",
        "roles": {"default": form.get("role", "agent")},
    }
    if ticked != loose or set(map(str, members.values())) - {"all"}:
        section |= {"users": ticked, "members": members}
    known = [user.remote_id for user in setup.roster.users]
    section["roles"] |= {id: role for id in known if (role := form.get(f"role-{id}"))}
    return {"teams": section}


def _words(offered: Iterable[str], ticked: list[str]) -> Any:
    """Return ``"all"``, ``"none"`` or the list; of none that are offered, all are ticked."""
    if len(ticked) == len(list(offered)):
        return "all"
    return ticked or "none"


def loose_users(roster: Roster) -> list[TeamUser]:
    """Return the users without a team."""
    placed = {member for team in roster.teams for member in team.members}
    return [user for user in roster.users if user.remote_id not in placed]


def view_teams(setup: Setup) -> Mapping[str, Any]:
    """Return the teams with their members, and the users without one, each ticked or not."""
    choices, users = setup.choices, {user.remote_id: user for user in setup.roster.users}

    def takes(team: str, user: str) -> bool:
        return has(choices.members[team], user) if team in choices.members else has(choices.users, user)

    teams = [
        {
            "team": team,
            "ticked": has(choices.teams, team.remote_id),
            "members": [{"user": users[id], "ticked": takes(team.remote_id, id)} for id in team.members if id in users],
        }
        for team in sorted(setup.roster.teams, key=lambda team: team.name.casefold())
    ]
    loose = [{"user": user, "ticked": has(choices.users, user.remote_id)} for user in loose_users(setup.roster)]
    return {"teams": teams, "loose": loose, "roles": choices.roles, "offered_roles": ROLES[1:]}


# --- retention ----------------------------------------------------------------------------------------------------


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


# --- records ------------------------------------------------------------------------------------------------------


def read_records(setup: Setup, form: Form) -> Sections:
    """Read the conditions on people and organizations."""
    return {
        "selection": {
            key: builder.tree(builder.state(form, key), catalogue_of(setup.manifest, setup.schema, kind))
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
    """

    estimates: Sequence[Estimate] = ()
    problem: str = ""
    waits: bool = False


def count_records(setup: Setup, kind: Entity, shown: builder.Builder) -> Count | None:
    """Return how many of the account's records meet what is in a builder; None while that is not complete."""
    if setup.estimate is None:
        return None
    try:
        asked = parse(builder.tree(shown.root, shown.catalogue), shown.catalogue)
        return Count(setup.estimate(kind, asked))
    except FilterError:
        return None
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
                "builder": builder.Builder(
                    key,
                    catalogue_of(setup.manifest, setup.schema, kind),
                    builder.from_tree(setup.choices.selection.get(kind)),
                ),
            }
            for kind, key in SECTIONS.items()
            if setup.has(kind)
        ]
    }


# --- merge --------------------------------------------------------------------------------------------------------


def read_merge(setup: Setup, form: Form) -> Sections:
    """Read strategy and merge keys."""
    strategy = form.get("strategy", "overwrite_existing")
    section: dict[str, Any] = {
        "strategy": strategy,
        "existing_only": "existing_only" in form and strategy != "ignore",
    }
    for kind, key in SECTIONS.items():
        if setup.has(kind):
            keys = [form.get(f"{key}.key1", ""), form.get(f"{key}.key2", "")]
            section[key] = {"keys": list(dict.fromkeys(filter(None, keys))), "mode": form.get(f"{key}.mode", "any")}
    return {"merge": section}


def view_merge(setup: Setup) -> Mapping[str, Any]:
    """Return the merge keys of each kind, the chosen ones or those that the plugin proposes."""
    choices = setup.choices
    kinds = []
    for kind, key in SECTIONS.items():
        if setup.has(kind):
            policy = choices.matching.get(kind) or setup.policies.get(kind, MergePolicy())
            offered = [spec for spec in SYSTEM_FIELDS[kind] if spec.identifier]
            keys = [*policy.keys, "", ""][:2]
            kinds.append({"key": key, "kind": kind, "offered": offered, "keys": keys, "mode": policy.mode})
    return {"kinds": kinds}


def has(chosen: Chosen, key: str) -> bool:
    """Tell whether ``key`` is chosen."""
    return chosen is None or key in chosen


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
                "Older activities are not fetched, and go when they get older than this.",
                lambda manifest: bool(manifest.activities),
                read_retention,
                view_retention,
            ),
            Step(
                "records",
                "Select records",
                ("selection",),
                "Which records come in?",
                "All of them, or only those that meet conditions on the vendor's own fields.",
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
    "What may this data source change?",
    "System fields of people and organizations who are already here. Whoever is new gets all values.",
    lambda manifest: True,
    read_options,
    view_options,
)
"""Asked on the connect page, before there is an account."""


def steps_of(manifest: Manifest) -> list[Step]:
    """Return the steps that a plugin asks for and that make sense for it, in its order."""
    return [STEPS[key] for key in manifest.steps if STEPS[key].applies(manifest)]
