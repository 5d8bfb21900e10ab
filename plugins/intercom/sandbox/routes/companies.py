"""/companies: capped lists, filters, scroll, and what hangs on a company (Intercom API 2.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from plugins.intercom.sandbox import pages, render
from plugins.intercom.sandbox.errors import ApiError, bad_parameter, bad_version, company_not_found
from plugins.intercom.sandbox.gate import CURRENT, require_version
from plugins.intercom.sandbox.generate.companies import Company
from plugins.intercom.sandbox.replies import reply, spoiled
from plugins.intercom.sandbox.routes.contacts import show as show_contact
from plugins.intercom.sandbox.scroll import Scroll
from plugins.intercom.sandbox.shelf import Position
from plugins.intercom.sandbox.store import Store

LIST_END = 10_000


def routes(store: Store) -> Blueprint:
    api = Blueprint("companies", __name__)
    scroll = Scroll(store.clock, store.faults)
    peopled = Peopled(store)

    def show(record: Company) -> dict[str, Any]:
        return spoiled(store, render.company(record, store.tags))

    def listed() -> Response:
        size = pages.size_of(request.args.get("per_page"), 15, 60)
        page = pages.number_of(request.args.get("page"))
        order = request.args.get("order", "desc")
        if order not in ("asc", "desc"):
            raise bad_parameter("order is asc or desc")
        if (page - 1) * size >= LIST_END:
            raise ApiError(400, "client_error", "page limit reached, please use scroll API")
        with store.lock:
            ids = peopled.ids()
            page_object, taken = pages.link_pages(len(ids), "/companies", request.args, size, page)
            chosen = ids[taken] if order == "desc" else ids[::-1][taken]
            rows = [show(store.company(company_id)) for company_id in chosen]
        return reply({"type": "list", "data": rows, "pages": page_object, "total_count": len(ids)})

    @api.post("/companies/list")
    def list_all() -> Response:
        return listed()

    @api.post("/companies/search")
    def search() -> Response:
        raise bad_version("Requested resource is not available in current API version.")

    @api.get("/companies")
    def filtered() -> Response:
        args = request.args
        if "company_id" in args or "name" in args:
            key = "company_id" if "company_id" in args else "name"
            with store.lock:
                record = next((one for one in store.companies if one.fields[key] == args[key]), None)
                if record is None:
                    raise company_not_found()
                return reply(render.company(record, store.tags))
        if "tag_id" in args or "segment_id" in args:
            wanted = args.get("tag_id")
            with store.lock:
                rows = [show(one) for one in store.companies if wanted is not None and wanted in one.tags]
            return reply(pages.link_list("data", rows, "/companies", args, 15, 60))
        return listed()

    @api.get("/companies/scroll")
    def scrolled() -> Response:
        param = request.args.get("scroll_param")
        with store.lock:
            token, ids = scroll.next(param) if param else scroll.start(_all_ids(store))
            found = [store.companies.get(company_id) for company_id in ids]
            rows = [show(company) for company in found if company is not None]
        return reply({"type": "list", "data": rows, "pages": None, "total_count": None, "scroll_param": token})

    @api.get("/companies/<company_id>")
    def retrieved(company_id: str) -> Response:
        with store.lock:
            return reply(render.company(store.company(company_id), store.tags))

    @api.get("/companies/<company_id>/contacts")
    def contacts(company_id: str) -> Response:
        size = pages.size_of(request.args.get("per_page"), 50, 150)
        cursor = pages.decode("id", request.args.get("starting_after"))
        with store.lock:
            store.company(company_id)
            ids = store.members(company_id)
            left = ids if cursor.after is None else [one for one in ids if _after(one, cursor.after)]
            following = (
                pages.encode("id", left[size - 1], left[size - 1], cursor.page + 1) if len(left) > size else None
            )
            rows = [spoiled(store, show_contact(store.contact(one))) for one in left[:size]]
        page = pages.cursor_pages(cursor, size, len(ids), following, False)
        return reply({"type": "list", "data": rows, "total_count": len(ids), "pages": page})

    @api.get("/companies/<company_id>/segments")
    def segments(company_id: str) -> Response:
        store.company(company_id)
        return reply({"type": "list", "data": []})

    @api.get("/companies/<company_id>/notes")
    def notes(company_id: str) -> Response:
        require_version(CURRENT)
        rows = store.company(company_id).notes
        return reply(pages.link_list("data", rows, f"/companies/{company_id}/notes", request.args, 50, 60))

    return api


class Peopled:
    """The companies that lists show: those with people, last seen first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers: list[int] | None = None

    def ids(self) -> list[str]:
        companies, maker = self.store.companies, self.store.company_maker
        if self._numbers is None:
            members = maker.membership.people_of
            self._numbers = [n for n in range(maker.count - 1, -1, -1) if next(members(n), None) is not None]
        base = [maker.id_of(number) for number in self._numbers]
        kept = [one for one, company in companies.changed.items() if company.fields["user_count"]]
        changed = companies.changed.keys() | companies.removed
        return kept + [one for one in base if one not in changed]


def _after(contact_id: str, position: Position) -> bool:
    return contact_id > position.id


def _all_ids(store: Store) -> list[str]:
    """All companies in an order that means nothing: by the reversed id."""
    ids = sorted(_ids(store), key=lambda one: one[::-1])
    return ids[:1] + ids if store.faults.strikes("scroll_twice") else ids


def _ids(store: Store) -> Iterator[str]:
    companies = store.companies
    for number in range(companies.maker.count):
        company_id = companies.maker.id_of(number)
        if company_id not in companies.changed and company_id not in companies.removed:
            yield company_id
    yield from companies.changed
