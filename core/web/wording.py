"""The admin's choices of a data source in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from core.contract.fields import SYSTEM_FIELDS, Entity, SystemField
from core.contract.types import FieldSpec, Manifest, MergePolicy
from core.db.models import DataSource
from core.filters import FilterError, sentence
from core.services.configuration import SECTIONS, SourceConfig, read_config
from core.services.selecting import read_selection
from core.web.formats import ROLES
from core.web.steps import steps_of
from core.web.steps.fields import fields_by_kind
from core.web.steps.merge import consent_in_words
from core.web.steps.question import Setup, has

KNOWN = {
    "append_only": "Who is already here gets values only where there are none.",
    "overwrite_existing": "Who is already here takes the new values.",
    "ignore": "Who is already here stays untouched.",
}
MODES = {"any": " or ", "next_if_empty": ", or where it is empty by ", "all": " and "}
"""How two merge keys go together in a sentence."""

RESTING = {
    "needs_attention": "Not before it is reconnected",
    "disconnected": "Not at all, while it is disconnected",
    "archived": "Not at all, while it is archived",
}
"""How changes come in while nothing does."""

STRATEGIES = {
    "append_only": "Get values only where they have none",
    "overwrite_existing": "Take the new values",
    "ignore": "Keep their values",
}


def config_in_words(
    source: DataSource,
    manifest: Manifest,
    schema: Sequence[FieldSpec] = (),
    proposed: Mapping[Entity, MergePolicy] | None = None,
) -> list[tuple[str, str]]:
    """Return the choices as pairs of a term and what it is set to.

    Args:
        source: The data source.
        manifest: Its plugin's.
        schema: The fields of the account, those too that it no longer has.
        proposed: The merge keys that the plugin proposes, by kind; None where it was not asked.

    Raises:
        core.services.errors.Invalid: The plugin no longer offers what was chosen.
    """
    config, _ = read_config(source.config, manifest)
    said = [
        ("Imports", _objects(config, manifest)),
        *_conditions(config, manifest, schema),
        ("Known people", STRATEGIES[config.strategy]),
        ("New people", "Are left out" if config.existing_only else "Are added"),
        *_recognised(config, manifest, proposed),
        *(
            (f"Modifiable fields of {label.lower()}", _fields(config, specs))
            for label, specs in fields_by_kind(manifest)
        ),
        ("Activities kept", _days(config, manifest)),
        ("Teams and users", _working(config) if manifest.teams else ""),
    ]
    if not manifest.deletes:
        deleted = "Not told, so kept here"
    else:
        deleted = "Archived here" if config.archive_deleted else "Kept here"
    changes = _changes(config, manifest).capitalize()
    return [*said, ("Deleted there", deleted), ("Changes come in", RESTING.get(source.state, changes))]


def _conditions(config: SourceConfig, manifest: Manifest, schema: Sequence[FieldSpec]) -> list[tuple[str, str]]:
    if not manifest.selective:
        return []
    try:
        filters = read_selection(config, manifest, schema)
    except FilterError:
        return [("Conditions", "Some no longer fit the fields: look at Select records")]
    return [
        (f"Which {key}", f"Only where {sentence(filters[kind])}" if kind in filters else "All")
        for kind, key in SECTIONS.items()
        if any(spec.kind == kind for spec in manifest.objects)
    ]


def _recognised(
    config: SourceConfig, manifest: Manifest, proposed: Mapping[Entity, MergePolicy] | None
) -> list[tuple[str, str]]:
    said = []
    for kind, key in SECTIONS.items():
        if any(spec.kind == kind for spec in manifest.objects):
            policy = config.matching.get(kind)
            if policy is None and proposed is not None:
                policy = proposed.get(kind, MergePolicy())
            by = f"{manifest.title}'s own id, then as its plugin proposes"
            said.append((f"{key.capitalize()} are recognised by", _known_by(manifest, kind, policy) if policy else by))
    return said


def _known_by(manifest: Manifest, kind: Entity, policy: MergePolicy) -> str:
    joined = _joined(kind, policy)
    return f"{manifest.title}'s own id" + (f", then by {joined}" if joined else " alone")


def _joined(kind: Entity, policy: MergePolicy) -> str:
    labels = [spec.label for name in policy.keys for spec in SYSTEM_FIELDS[kind] if spec.key == name]
    return MODES[policy.mode].join(labels)


def _working(config: SourceConfig) -> str:
    teams = "All teams" if config.teams is None else _count(len(config.teams), "team")
    users = "all users" if config.users is None and not config.members else "the users who were chosen"
    others = [ROLES[role] for id, role in config.roles.items() if id != "default"]
    more = "".join(f", {others.count(label):,} as {label}" for label in ROLES.values() if label in others)
    return f"{teams} and {users}, as {ROLES[config.roles.get('default', 'agent')]}{more}"


def afterwards_in_words(setup: Setup) -> list[str]:
    """Return what happens once the first sync has started."""
    manifest, config = setup.manifest, setup.choices
    if not manifest.deletes:
        deleted = f"{manifest.title} does not tell what is deleted there: it stays here."
    elif config.archive_deleted:
        deleted = f"What is deleted at {manifest.title} is archived here."
    else:
        deleted = f"What is deleted at {manifest.title} stays here."
    started = (
        f"The first sync starts at once and shows how far it is. Later changes come in {_changes(config, manifest)}."
    )
    return [f"{started} {deleted}", consent_in_words(manifest)]


def _changes(config: SourceConfig, manifest: Manifest) -> str:
    by_webhook = "shortly after they occur, by webhook" if manifest.webhooks else ""
    regularly = f"every {_count(config.minutes, 'minute')}" if config.minutes else ""
    return "; what was missed ".join(filter(None, (by_webhook, regularly))) or "when you choose «Sync now»"


def plan_in_words(setup: Setup) -> list[tuple[str, list[str], str]]:
    """Return what will happen, as terms with sentences and the key of the step that decides it, in the steps' order."""
    return [(*_SAID[step.key](setup), step.key) for step in steps_of(setup.manifest)]


def _coming(setup: Setup) -> tuple[str, list[str]]:
    return "Comes in", [_objects(setup.choices, setup.manifest)]


def _kept(setup: Setup) -> tuple[str, list[str]]:
    return "Activities are kept", [_days(setup.choices, setup.manifest)]


def _records(setup: Setup) -> tuple[str, list[str]]:
    filters = read_selection(setup.choices, setup.manifest, setup.schema)
    return "Records", [
        f"Only {SECTIONS[kind]} where: {sentence(filters[kind])}" if kind in filters else f"All {SECTIONS[kind]}"
        for kind in SECTIONS
        if setup.has(kind)
    ]


def _merging(setup: Setup) -> tuple[str, list[str]]:
    new = "Nobody new is added." if setup.choices.existing_only else "Who is new is added."
    return "Merge", [KNOWN[setup.choices.strategy], new, *_keys(setup)]


def _people(setup: Setup) -> tuple[str, list[str]]:
    config, roster = setup.choices, setup.roster
    teams = sum(has(config.teams, team.remote_id) for team in roster.teams)
    brought = {
        member
        for team in roster.teams
        if team.remote_id in config.members
        for member in team.members
        if has(config.members[team.remote_id], member)
    }
    users = [
        user for user in roster.users if user.email and (user.remote_id in brought or has(config.users, user.remote_id))
    ]
    said = [f"{_count(teams, 'team')} and {_count(len(users), 'user')}."]
    if users:
        named = [config.roles.get(user.remote_id, config.roles.get("default", "agent")) for user in users]
        counts = _listed(f"{named.count(role):,} {label}" for role, label in ROLES.items() if role in named)
        said.append(f"Roles: {counts}. Users who accepted their invitation keep their role.")
        said.append("New ones get an invitation by email, and can log in when they have accepted it.")
    return "Works here too", said


_SAID: Mapping[str, Callable[[Setup], tuple[str, list[str]]]] = {
    "fields": _coming,
    "teams": _people,
    "retention": _kept,
    "records": _records,
    "merge": _merging,
}


def _keys(setup: Setup) -> list[str]:
    said = []
    for kind, key in SECTIONS.items():
        if setup.has(kind):
            policy = setup.choices.matching.get(kind) or setup.policies.get(kind, MergePolicy())
            said.append(f"{key.capitalize()} are recognised by {_known_by(setup.manifest, kind, policy)}.")
    return said


def _objects(config: SourceConfig, manifest: Manifest) -> str:
    labels = {spec.key: spec.label for spec in manifest.objects if spec.comes_with is None}
    return _listed(
        label if (chosen := config.objects[key]) is None else f"{label} ({_count(len(chosen), 'field')})"
        for key, label in labels.items()
        if key in config.objects
    )


def _fields(config: SourceConfig, specs: Iterable[SystemField]) -> str:
    modify = config.modify
    which = "All system fields" if modify is None else _listed(spec.label for spec in specs if spec.key in modify)
    return f"{which or 'No system field'}{', if they are empty' if config.keep_existing and which else ''}"


def _days(config: SourceConfig, manifest: Manifest) -> str:
    labels = {spec.key: spec.label for spec in manifest.activities}
    special = _listed(f"{labels.get(key, key)} {_length(days)}" for key, days in config.activity_days.items())
    return _length(config.days) + (f"; {special}" if special else "")


def _length(days: int | None) -> str:
    return "for ever" if days is None else _count(days, "day")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
