"""The fields that a data source offers, as its plugin describes them now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from core.contract.types import Account, FieldSpec, Manifest
from core.db.bulk import table_of, upsert
from core.db.models import Field
from core.filters import FilterError
from core.services.configuration import Chosen, SourceConfig
from core.services.errors import Invalid
from core.services.mainstem import Mainstem
from core.services.selecting import read_selection

FIELD = table_of(Field)
_DESCRIBED = ("label", "type", "custom", "feeds", "options", "selected", "position", "retired_at")


def schema_of(mainstem: Mainstem, account: Account) -> Sequence[FieldSpec]:
    """Return the fields that an account offers now; none if its plugin does not describe them."""
    if not mainstem.host.implements(account.plugin, "field_schema"):
        return ()
    return mainstem.host.source(account.plugin).field_schema(account=account)


def check_chosen(schema: Iterable[FieldSpec], objects: Mapping[str, Chosen]) -> None:
    """Check that every chosen field is one that the account offers.

    Raises:
        Invalid: One is not; the message names those that are.
    """
    offered: dict[str, list[str]] = {}
    for spec in schema:
        offered.setdefault(spec.object, []).append(spec.key)
    errors = {
        f"objects.{key}.{unknown}": f"unknown field; allowed: {', '.join(offered.get(key, [])) or 'none'}"
        for key, chosen in objects.items()
        for unknown in sorted((chosen or frozenset()) - set(offered.get(key, [])))
    }
    if errors:
        raise Invalid(errors)


def check_choices(manifest: Manifest, schema: Sequence[FieldSpec], config: SourceConfig) -> None:
    """Check that all that is chosen, fields and conditions, fits what the account offers.

    Raises:
        Invalid: Something does not.
    """
    check_chosen(schema, config.objects)
    try:
        read_selection(config, manifest, schema)
    except FilterError as error:
        raise Invalid(error.errors) from None


def stored_schema(connection: Connection, source_id: int, *, retired: bool = False) -> list[FieldSpec]:
    """Return the stored fields of a data source in their order.

    Args:
        connection: For reading.
        source_id: The data source.
        retired: Those too that the vendor no longer lists.
    """
    rows = select(FIELD).where(FIELD.c.source_id == source_id).order_by(FIELD.c.position)
    if not retired:
        rows = rows.where(FIELD.c.retired_at.is_(None))
    return [
        FieldSpec(row.object, row.key, row.label, row.type, row.custom, row.feeds, tuple(row.options), row.sample)
        for row in connection.execute(rows)
    ]


def new_fields(connection: Connection, source_id: int) -> frozenset[tuple[str, str]]:
    """Return object and key of the fields that the vendor lists since the admin chose fields last."""
    theirs = (FIELD.c.source_id == source_id, FIELD.c.is_new, FIELD.c.retired_at.is_(None))
    return frozenset(
        (row.object, row.key) for row in connection.execute(select(FIELD.c.object, FIELD.c.key).where(*theirs))
    )


def store_schema(
    connection: Connection, source_id: int, schema: Sequence[FieldSpec], objects: Mapping[str, Chosen], now: datetime
) -> frozenset[str]:
    """Make the stored fields of a data source equal to ``schema``; one that is gone is retired, not dropped.

    Args:
        connection: A write transaction.
        source_id: The data source.
        schema: All fields of the account.
        objects: The selected objects with the selected fields.
        now: The present moment.

    Returns:
        The objects that have selected fields again which were not listed for a while, or custom ones for the first
        time: as after a refusal, records came in without them.
    """
    stored = select(FIELD.c.object, FIELD.c.key, FIELD.c.custom, FIELD.c.retired_at).where(
        FIELD.c.source_id == source_id
    )
    found = connection.execute(stored).all()
    known = {(row.object, row.key) for row in found}
    away = {(row.object, row.key) for row in found if row.retired_at is not None}
    with_custom = {row.object for row in found if row.custom}
    rows = {
        (spec.object, spec.key): {
            "source_id": source_id,
            "object": spec.object,
            "key": spec.key,
            "label": spec.label,
            "type": spec.type,
            "custom": spec.custom,
            "feeds": spec.feeds,
            "options": list(spec.options),
            "sample": spec.sample,
            "selected": spec.object in objects and _is_chosen(spec, objects[spec.object]),
            "is_new": bool(known) and (spec.object, spec.key) not in known,
            "position": position,
            "first_seen_at": now,
            "retired_at": None,
        }
        for position, spec in enumerate(schema)
    }
    ordered = [rows[key] for key in sorted(rows)]
    for sample in ((), ("sample",)):
        # A plugin may give samples on connecting alone: the one that is known stays.
        told = [row for row in ordered if (row["sample"] is not None) is bool(sample)]
        upsert(connection, FIELD, told, update=(*_DESCRIBED, *sample), key=("source_id", "object", "key"))
    present = connection.execute(
        select(FIELD.c.id, FIELD.c.object, FIELD.c.key).where(
            FIELD.c.source_id == source_id, FIELD.c.retired_at.is_(None)
        )
    )
    gone = [row.id for row in present if (row.object, row.key) not in rows]
    if gone:
        connection.execute(FIELD.update().where(FIELD.c.id.in_(gone)).values(retired_at=now))
    chosen = [spec for spec in schema if rows[spec.object, spec.key]["selected"]]
    back = {spec.object for spec in chosen if (spec.object, spec.key) in away}
    return frozenset(back | {spec.object for spec in chosen if known and spec.custom} - with_custom)


def _is_chosen(spec: FieldSpec, chosen: Chosen) -> bool:
    return chosen is None or spec.key in chosen
