"""What an admin may choose of a data source: the shape of ``sources connect --config``, checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from core.contract.fields import SYSTEM_FIELDS, Entity
from core.contract.types import JSON, Manifest, MatchMode, MergePolicy
from core.pipeline.policy import Strategy
from core.services.errors import Invalid

ROLES = ("owner", "admin", "standard", "agent", "read_only")
"""The roles of those who work here, the mightiest first. There is one owner, who is not imported."""

SECTIONS: Mapping[Entity, str] = {"person": "people", "organization": "organizations"}
"""What each kind is called in a configuration."""

Chosen = frozenset[str] | None
"""Keys or ids that were chosen; None for all of them."""


class _Chosen(fields.Field[Chosen]):
    """``"all"``, ``"none"`` or a list of texts."""

    def __init__(self, *, none: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words = {"all": None, "none": frozenset[str]()} if none else {"all": None}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Chosen:
        if isinstance(value, str) and value in self._words:
            return self._words[value]
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        words = " or ".join(f'"{word}"' for word in self._words)
        raise ValidationError(f"must be {words}, or a list of texts")


class _Flag(fields.Field[bool]):
    """True or false, and nothing that could pass for it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise ValidationError("must be true or false")


class _Section(Schema):
    class Meta:
        unknown = RAISE


def _one_of(allowed: Sequence[str]) -> validate.OneOf:
    return validate.OneOf(allowed, error="must be one of {choices}")


class _Options(_Section):
    modify_fields = _Chosen(load_default=None)
    keep_existing_values = _Flag(load_default=False)
    archive_deleted = _Flag(load_default=False)


class _Teams(_Section):
    teams = _Chosen(none=True, load_default=None)
    users = _Chosen(none=True, load_default=None)
    members = fields.Dict(fields.String(), _Chosen(none=True), load_default=dict)
    roles = fields.Dict(
        fields.String(), fields.String(validate=_one_of(ROLES[1:])), load_default=lambda: {"default": "agent"}
    )


_days = validate.Range(min=1, max=36_500, error="must be between 1 and 36500, or null for ever")


class _Retention(_Section):
    days = fields.Integer(strict=True, allow_none=True, validate=_days)
    activities = fields.Dict(
        fields.String(), fields.Integer(strict=True, allow_none=True, validate=_days), load_default=dict
    )


_minutes = validate.Range(min=5, max=43_200, error="must be between 5 and 43200, or null for never")


class _Schedule(_Section):
    minutes = fields.Integer(strict=True, allow_none=True, validate=_minutes)


class _Selection(_Section):
    people = fields.Dict(fields.String(), allow_none=True, load_default=None)
    organizations = fields.Dict(fields.String(), allow_none=True, load_default=None)


class _Matching(_Section):
    keys = fields.List(fields.String(), validate=validate.Length(max=2, error="at most two"), required=True)
    mode = fields.String(load_default="any", validate=_one_of(get_args(MatchMode)))


class _Merge(_Section):
    strategy = fields.String(load_default="overwrite_existing", validate=_one_of(get_args(Strategy)))
    existing_only = _Flag(load_default=False)
    people = fields.Nested(_Matching, load_default=None, allow_none=True)
    organizations = fields.Nested(_Matching, load_default=None, allow_none=True)


class _Config(_Section):
    name = fields.String(validate=validate.Length(1, 100, error="must have 1 to 100 characters"))
    credentials = fields.Dict(fields.String(), fields.String(), load_default=dict)
    options = fields.Nested(_Options, load_default=lambda: _Options().load({}))
    objects = fields.Dict(fields.String(), _Chosen(), load_default=None)
    teams = fields.Nested(_Teams, load_default=lambda: _Teams().load({}))
    retention = fields.Nested(_Retention, load_default=lambda: _Retention().load({}))
    selection = fields.Nested(_Selection, load_default=lambda: _Selection().load({}))
    merge = fields.Nested(_Merge, load_default=lambda: _Merge().load({}))
    schedule = fields.Nested(_Schedule, load_default=lambda: _Schedule().load({}))


@dataclass(frozen=True)
class SourceConfig:
    """The admin's choices, complete with defaults.

    Attributes:
        name: Name of the data source; None for the plugin's title.
        objects: The selected objects, each with the selected fields.
        modify: System fields that may be changed on who is already here.
        keep_existing: System fields with a value stay.
        archive_deleted: What the vendor deleted is archived here.
        teams: Remote ids of the teams to import.
        users: Remote ids of the users to import, whatever team they are in.
        members: By remote id of a team, which of its members come in and are in it; they come in without the team
            too. A team that is absent takes in whom ``users`` names.
        roles: By remote id of a user, then under ``"default"``.
        days: How long activities are kept; None for ever.
        activity_days: The same by type of activity.
        minutes: How often changes are fetched; None for never by itself.
        strategy: Whose value stands.
        existing_only: Never make a new person or organization.
        matching: The admin's merge keys by kind; a kind that is absent follows the plugin.
        selection: By kind, the conditions that records must meet, as a tree of :mod:`core.filters`; a kind that is
            absent comes in whole.
    """

    name: str | None
    objects: Mapping[str, Chosen]
    modify: Chosen
    keep_existing: bool
    archive_deleted: bool
    teams: Chosen
    users: Chosen
    members: Mapping[str, Chosen]
    roles: Mapping[str, str]
    days: int | None
    activity_days: Mapping[str, int | None]
    minutes: int | None
    strategy: Strategy
    existing_only: bool
    matching: Mapping[Entity, MergePolicy]
    selection: Mapping[Entity, dict[str, JSON]]


def read_config(config: Any, manifest: Manifest) -> tuple[SourceConfig, dict[str, str]]:
    """Check a configuration against what the plugin can do.

    Args:
        config: As parsed from JSON.
        manifest: The plugin's.

    Returns:
        The choices, and the credentials as they were given.

    Raises:
        Invalid: A key or value is wrong; every message names what is allowed.
    """
    if not isinstance(config, Mapping):
        raise Invalid({"": "the configuration must be a JSON object"})
    try:
        data: dict[str, Any] = _Config().load(dict(config))
    except ValidationError as error:
        raise Invalid(dict(_flat(error.messages, _Config()))) from None
    errors = dict(_misfits(data, manifest))
    if errors:
        raise Invalid(errors)
    return _build(data, manifest), data["credentials"]


def _build(data: Mapping[str, Any], manifest: Manifest) -> SourceConfig:
    options, merge, retention = data["options"], data["merge"], data["retention"]
    everything = dict.fromkeys(spec.key for spec in manifest.objects)
    objects: dict[str, Chosen] = everything if data["objects"] is None else data["objects"]
    objects |= {spec.key: None for spec in manifest.objects if spec.comes_with in objects and spec.key not in objects}
    return SourceConfig(
        name=data.get("name"),
        objects=objects,
        modify=options["modify_fields"],
        keep_existing=options["keep_existing_values"],
        archive_deleted=options["archive_deleted"],
        teams=data["teams"]["teams"],
        users=data["teams"]["users"],
        members=data["teams"]["members"],
        roles=data["teams"]["roles"],
        days=retention.get("days", manifest.retention_days),
        activity_days=retention["activities"],
        minutes=data["schedule"].get("minutes", manifest.resync_minutes),
        strategy=merge["strategy"],
        existing_only=merge["existing_only"],
        matching={
            kind: MergePolicy(tuple(value["keys"]), value["mode"])
            for kind, key in SECTIONS.items()
            if (value := merge[key]) is not None
        },
        selection={kind: tree for kind, key in SECTIONS.items() if (tree := data["selection"][key]) is not None},
    )


def _misfits(data: Mapping[str, Any], manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield what is well-formed but not possible with this plugin."""
    offered = [spec.key for spec in manifest.objects]
    if data["objects"] == {}:
        yield "objects", f"choose at least one of {', '.join(offered)}"
    elif data["objects"] is not None:
        yield from _unknown("objects", data["objects"], offered)
        for spec in manifest.objects:
            if spec.required and spec.key not in data["objects"]:
                yield f"objects.{spec.key}", f"{spec.label} cannot be left out"
    yield from _unknown("retention.activities", data["retention"]["activities"], [a.key for a in manifest.activities])
    system = [f.key for entity in SYSTEM_FIELDS.values() for f in entity]
    yield from _unknown("options.modify_fields", data["options"]["modify_fields"] or (), system)
    if data["options"]["archive_deleted"] and not manifest.deletes:
        yield "options.archive_deleted", f"must be false: {manifest.title} does not tell what is deleted there"
    if not manifest.teams:
        for key in ("teams", "users", "members"):
            if data["teams"][key]:
                yield f"teams.{key}", f"must be left out: {manifest.title} has no teams and users to import"
    for kind, key in SECTIONS.items():
        if data["selection"][key] is not None and not manifest.selective:
            yield f"selection.{key}", f"must be null: {manifest.title} does not let records be chosen"
        matching = data["merge"][key]
        if matching is not None:
            identifiers = [f.key for f in SYSTEM_FIELDS[kind] if f.identifier]
            yield from _unknown(f"merge.{key}.keys", matching["keys"], identifiers)
    yield from _unknown("credentials", data["credentials"], list(manifest.credentials().fields))


def _unknown(where: str, given: Iterable[str], allowed: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key in sorted(given):
        if key not in allowed:
            yield f"{where}.{key}", f"unknown; allowed: {', '.join(allowed) or 'none'}"


_WORDS = {
    "Field may not be null.": "must not be null; leave it out for the default",
    "Invalid input type.": "must be an object",
    "Missing data for required field.": "is missing",
    "Not a valid integer.": "must be a whole number",
    "Not a valid list.": "must be a list",
    "Not a valid mapping type.": "must be an object",
    "Not a valid string.": "must be a text",
}


def _flat(messages: Any, schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield marshmallow's nested messages by dotted path, in our words."""
    for key, value in messages.items():
        here = path if key == "_schema" else f"{path}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            field = schema.fields.get(str(key))
            inner = field.schema if isinstance(field, fields.Nested) else _Section()
            # A dictionary field says which half of the pair is wrong; the path says it already.
            nested = value.get("value", value.get("key", value)) if set(value) <= {"key", "value"} else value
            yield from _flat(nested if isinstance(nested, Mapping) else {"_schema": nested}, inner, here)
        elif value == ["Unknown field."]:
            yield here, f"unknown key; allowed: {', '.join(schema.fields)}"
        else:
            yield here, " ".join(_WORDS.get(str(item), str(item)) for item in value)


def read_credentials(given: Mapping[str, str], manifest: Manifest) -> dict[str, str]:
    """Check credentials against the plugin's schema.

    Raises:
        Invalid: One is missing or malformed.
    """
    try:
        checked: dict[str, str] = manifest.credentials().load(dict(given))
    except ValidationError as error:
        raise Invalid(dict(_flat(error.messages, manifest.credentials(), "credentials"))) from None
    return checked
