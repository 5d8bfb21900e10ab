"""/contacts and what hangs on a contact (Intercom API 2.16)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request

from plugins.intercom.sandbox import fields, pages, render, search
from plugins.intercom.sandbox.errors import ApiError, bad_parameter, not_found
from plugins.intercom.sandbox.gate import CURRENT, require_version
from plugins.intercom.sandbox.generate import workspace
from plugins.intercom.sandbox.generate.people import Contact
from plugins.intercom.sandbox.replies import Listing, cursor_list, json_body, reply
from plugins.intercom.sandbox.store import Store

LIST, FOUND = Listing("data", "list", 10), Listing("data", "list", 50)
MERGED = "This contact has been merged. See the 'Link' header for the canonical contact."


def show(record: Contact) -> dict[str, Any]:
    shown = render.contact(record)
    return shown if g.version >= CURRENT else render.older_contact(shown)


def routes(store: Store) -> Blueprint:
    api = Blueprint("contacts", __name__)

    def one(contact_id: str, missing: str = "User Not Found") -> Contact:
        record = store.contacts.get(contact_id) or store.archived.get(contact_id)
        if record is not None:
            return record
        survivor = store.survivor(contact_id)
        if survivor is None or g.version < CURRENT:
            raise not_found(missing)
        raise ApiError(410, "contact_merged", MERGED, {"Link": f'</contacts/{survivor}>; rel="canonical"'})

    def detail(record: Contact) -> Response:
        shown = show(record)
        if request.args.get("include_merge_history") == "true" and record.fields["role"] == "user":
            shown["merge_history"] = record.merges
        return reply(shown)

    @api.get("/contacts")
    def listed() -> Response:
        return cursor_list(store, store.contacts, LIST, search.Query(), ("created_at", True), request.args, show)

    @api.post("/contacts/search")
    def found() -> Response:
        body = json_body()
        by_day = "exact_dates" not in store.faults.flags
        query = search.Parser(fields.CONTACTS, ZoneInfo(store.zone), by_day).parse(body.get("query"))
        query.key += f"{store.zone}{by_day}"
        sort = search.sort_of(body, fields.CONTACTS, strict=g.version >= CURRENT)
        return cursor_list(store, store.contacts, FOUND, query, sort, body.get("pagination") or {}, show)

    @api.get("/contacts/<contact_id>")
    def retrieved(contact_id: str) -> Response:
        with store.lock:
            return detail(one(contact_id, "Contact Not Found"))

    @api.get("/contacts/find_by_external_id/<path:external_id>")
    def by_external_id(external_id: str) -> Response:
        with store.lock:
            record = _by_external_id(store, external_id)
            if record is None:
                raise not_found("Contact Not Found")
            return detail(record)

    @api.get("/contacts/<contact_id>/companies")
    def companies(contact_id: str) -> Response:
        with store.lock:
            attached = [store.companies.get(company_id) for company_id in one(contact_id).companies]
            rows = [render.company(company, store.tags) for company in attached if company is not None]
        return reply(pages.link_list("data", rows, f"/contacts/{contact_id}/companies", request.args, 50, 60))

    @api.get("/contacts/<contact_id>/tags")
    def tags(contact_id: str) -> Response:
        with store.lock:
            rows = [
                {**store.tags[tag], "applied_at": at, "applied_by": {"type": "admin", "id": admin}}
                for tag, at, admin in one(contact_id).tags
            ]
        return reply({"type": "list", "data": rows})

    @api.get("/contacts/<contact_id>/segments")
    def segments(contact_id: str) -> Response:
        with store.lock:
            held = one(contact_id).segments
        return reply({"type": "list", "data": [s for s in workspace.segment_list(store.plan) if s["id"] in held]})

    @api.get("/contacts/<contact_id>/subscriptions")
    def subscriptions(contact_id: str) -> Response:
        with store.lock:
            record = one(contact_id)
            chosen = {*record.opted_out, *record.opted_in}
        return reply({"type": "list", "data": [s for s in workspace.subscription_list() if s["id"] in chosen]})

    @api.get("/contacts/<contact_id>/notes")
    def notes(contact_id: str) -> Response:
        with store.lock:
            rows = [_note(store, note) for note in one(contact_id).notes]
        return reply(pages.link_list("data", rows, f"/contacts/{contact_id}/notes", request.args, 50, 60))

    @api.get("/contacts/<contact_id>/merge_history")
    def merge_history(contact_id: str) -> Response:
        require_version(CURRENT)
        with store.lock:
            record = one(contact_id)
            if record.fields["role"] == "lead":
                raise not_found("Contact not found")
            return reply(_merge_page(record))

    return api


def _merge_page(record: Contact) -> dict[str, Any]:
    """Its own shape: `cursor` in, `next_cursor` and `has_more` out."""
    size = pages.size_of(request.args.get("per_page"), 50, 150)
    order = request.args.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_parameter("order is asc or desc")
    try:
        start = int(request.args.get("cursor", "0"))
    except ValueError:
        raise pages.broken_cursor() from None
    rows = record.merges if order == "desc" else record.merges[::-1]
    more = start + size < len(rows)
    shown = {"type": "list", "data": rows[start : start + size], "has_more": more}
    return {**shown, "next_cursor": str(start + size) if more else None}


def _by_external_id(store: Store, external_id: str) -> Contact | None:
    """Users only; generated ids hold the contact's number."""
    for record in store.contacts.changed.values():
        if record.fields["external_id"] == external_id and record.fields["role"] == "user":
            return record
    digits = external_id.removeprefix("user_")
    number = int(digits) - 1 if digits.isdigit() else -1
    if not 0 <= number < store.people.count:
        return None
    contact_id = store.people.id_of(number)
    made = store.contacts.get(contact_id)
    known = made is not None and made.fields["external_id"] == external_id and made.fields["role"] == "user"
    return made if known else None


def _note(store: Store, note: dict[str, Any]) -> dict[str, Any]:
    names = ("type", "id", "name", "email", "away_mode_enabled", "away_mode_reassign")
    shown = {name: value for name, value in note.items() if name != "author_id"}
    admin = store.admins.get(note["author_id"])
    return {**shown, "author": None if admin is None else {name: admin[name] for name in names}}
