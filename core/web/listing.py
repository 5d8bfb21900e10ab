"""The pages that list people or organizations: what an address asks for, and what is done with the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from core.contract.fields import Entity
from core.contract.types import JSON
from core.db.engine import writing
from core.db.models import DataSource
from core.filters import Catalogue, Filter, FilterError, parse, sentence
from core.services import columns as all_columns
from core.services import entities, paging, tables
from core.services.columns import Column, Columns
from core.services.errors import NotFound
from core.services.sources import audit
from core.services.users import set_columns
from core.web import params
from core.web.access import actor, mainstem, safe_next
from core.web.builder import trees
from core.web.builder.form import state
from core.web.builder.parts import Group
from core.web.builder.shown import Builder, told
from core.web.csv import BOM, csv_lines
from core.web.database import session
from core.web.formats import here

PARAMETERS = ("q", "state", "filter", "sort", "organization", "source")
"""What an address may narrow and order a list by."""

LONGEST = 7500
"""So many characters of an address servers take, with room for an export's and for a page."""


@dataclass(frozen=True)
class Listing:
    """A list as an address asks for it.

    Attributes:
        kind: Of what.
        query: Which of them.
        columns: All columns there are.
        shown: Those that are shown.
        sort: By what it is sorted.
        unsorted: The column that it was to be sorted by, if there are too many rows for that.
        found: How many rows there are, counted up to a limit.
        catalogue: What can be filtered by.
        root: The filter, as the builder shows it.
        errors: What is wrong with the filter, by the name of the part.
        told: The filter in words; "" without one.
        sources: The data sources that it can be narrowed to.
    """

    kind: Entity
    query: tables.Query
    columns: Columns
    shown: list[Column]
    sort: tables.Sort
    unsorted: Column | None
    found: tables.Found
    catalogue: Catalogue
    root: Group
    errors: dict[str, str]
    told: str
    sources: list[DataSource]

    @property
    def builder(self) -> Builder:
        """The builder of its filter."""
        return Builder("filter", self.catalogue, self.root, self.errors)

    @property
    def is_narrowed(self) -> bool:
        """Whether fewer than all who are not archived are asked for."""
        return self.query != tables.Query(zone=self.query.zone) or bool(self.errors)

    @property
    def is_open(self) -> bool:
        """Whether the builder is being worked with."""
        return bool(self.errors) or request.method == "POST"

    @property
    def groups(self) -> list[tuple[str | None, list[Column]]]:
        """The columns that can be shown or hidden, those of each plugin by themselves."""
        free = [column for column in self.columns.values() if column.key != "name"]
        return [
            (plugin, [column for column in free if column.plugin == plugin])
            for plugin in dict.fromkeys(column.plugin for column in free)
        ]

    @property
    def source_choices(self) -> list[tuple[int | str, str]]:
        """The data sources to choose from, after all of them."""
        return [("", "All data sources"), *((source.id, source.name) for source in self.sources)]

    @property
    def kept(self) -> dict[str, str]:
        """The parameters of the address that a new search keeps."""
        return {key: value for key, value in _given().items() if key not in ("q", "state", "source")}

    @property
    def export_address(self) -> str:
        """Where the list is to be had as a file."""
        return url_for(f"{_NAMES[self.kind]}.export", **_given())  # type: ignore[arg-type]

    def page(self) -> paging.Page[tables.Row]:
        """Return the page that the address asks for; nobody while the filter is wrong."""
        if self.errors:
            return paging.Page([], None, None)
        cursor = request.args.get("page")
        return tables.page(session(), self.kind, self.query, self.shown, self.sort, self.found, cursor)

    def can_sort(self, column: Column) -> bool:
        """Tell whether it can be sorted by a column."""
        return tables.is_sortable(self.kind, column, self.found.count)

    def turned(self, column: Column) -> str:
        """Return by what it is sorted after a click on the head of a column: moments with the latest first."""
        if self.sort.column == column:
            return tables.Sort(column, not self.sort.descending).key
        return tables.Sort(column, column.type in ("date", "datetime")).key


def read(
    kind: Entity, organization: UUID | None = None, source: int | None = None, state: tables.State | None = None
) -> Listing:
    """Return the list that the address of the request asks for.

    Args:
        kind: Of what.
        organization: Only its members.
        source: Only those that this data source knows; None for what the address says.
        state: Which; None for what the address says.

    Raises:
        NotFound: A parameter is malformed, or there is no such data source.
    """
    sources = entities.sources_by_id(session())
    offered = [each for each in sources.values() if each.state != "deleted"]
    source = params.number("source") if source is None else source
    if source is not None and source not in {each.id for each in offered}:
        raise NotFound(f"There is no data source {source}: it may have been deleted")
    every = all_columns.read(session(), mainstem().host, sources)
    catalogue = all_columns.catalogue(every, kind, mainstem().host, sources)
    found, root, errors = _filter(request.args.get("filter"), catalogue)
    query = tables.Query(
        text=request.args.get("q", "").strip(),
        state=state or params.state(),
        filter=found,
        zone=all_columns.zone(sources),
        organization=organization,
        source=source,
    )
    rows = tables.Found(0) if errors else tables.find(session(), kind, query)
    wanted = _sort(every[kind], request.args.get("sort", ""))
    usable = tables.is_sortable(kind, wanted.column, rows.count)
    return Listing(
        kind=kind,
        query=query,
        columns=every[kind],
        shown=all_columns.chosen(every[kind], current_user.columns.get(kind)),
        sort=wanted if usable else _sort(every[kind], ""),
        unsorted=None if usable else wanted.column,
        found=rows,
        catalogue=catalogue,
        root=root,
        errors=errors,
        told=sentence(found) if found else "",
        sources=sorted(offered, key=lambda each: each.name.casefold()),
    )


def refined(listing: Listing) -> Listing | str:
    """Return what the form of the filter leads to: the list with the builder as it is now, or another address."""
    root = state(request.form, "filter")
    tree = trees.tree(root, listing.catalogue)
    errors: dict[str, str] = {}
    if "do" not in request.form:
        _, _, errors = _checked(tree, root, listing.catalogue)
        if not errors or not root.of:
            address = here(page=None, filter=_as_text(tree) if root.of else None)
            if len(address) <= LONGEST:
                return address
            errors = {"filter": "Too long for an address: say it with fewer conditions"}
    return Listing(**{**listing.__dict__, "root": root, "errors": errors})


def keep_columns(kind: Entity) -> ResponseReturnValue:
    """Keep the columns that were ticked, or the default ones, and go back."""
    keys = None if "reset" in request.form else request.form.getlist("column")
    set_columns(mainstem(), current_user.id, kind, keys)
    return redirect(safe_next(request.form.get("next")))


def export(listing: Listing) -> Response:
    """Return the whole list as a CSV file with the columns that are shown, sent while it is read."""
    with writing(mainstem().engine) as connection:
        labels = [column.label for column in listing.shown]
        asked = {**_given(), **({"filter": listing.told} if listing.told else {})}
        audit(connection, actor(), "export", _NAMES[listing.kind], **asked, columns=labels)
    rows: Iterator[list[Any]] = iter(())
    if not listing.errors:
        rows = tables.every(mainstem().engine, listing.kind, listing.query, listing.shown, listing.sort, listing.found)
    header = [column.label for column in listing.shown]

    def lines() -> Iterator[str]:
        yield BOM
        yield from csv_lines(header, rows)

    response = Response(lines(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f"attachment; filename={_NAMES[listing.kind]}.csv"
    return response


def _given() -> dict[str, str]:
    return {key: value for key in PARAMETERS if (value := request.args.get(key))}


_NAMES = {"person": "people", "organization": "organizations"}


def _sort(columns: Columns, text: str) -> tables.Sort:
    column = columns.get(text.removeprefix("-"))
    # A column may be gone since its address was kept.
    return tables.Sort(column, text.startswith("-")) if column else tables.Sort(columns["created_at"], True)


def _filter(text: str | None, catalogue: Catalogue) -> tuple[Filter | None, Group, dict[str, str]]:
    """Return the filter of an address, its rows in the builder, and what is wrong with it."""
    if not text:
        return None, Group(), {}
    try:
        tree = json.loads(text)
        root = trees.from_tree(tree)
        return _checked(tree, root, catalogue)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None, Group(), {"filter": "The address holds no filter that can be read"}


def _checked(tree: JSON, root: Group, catalogue: Catalogue) -> tuple[Filter | None, Group, dict[str, str]]:
    try:
        return parse(tree, catalogue), root, {}
    except FilterError as error:
        errors = {f"filter.{where}" if where else "filter": text for where, text in error.errors.items()}
        return None, root, told("filter", root, catalogue, errors, "filter")


_as_text = partial(json.dumps, separators=(",", ":"), ensure_ascii=False)
