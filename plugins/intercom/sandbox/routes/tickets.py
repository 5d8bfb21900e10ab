"""/tickets, /ticket_types, /ticket_states (Intercom API 2.16)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g

from plugins.intercom.sandbox import fields, render, search
from plugins.intercom.sandbox.errors import not_found
from plugins.intercom.sandbox.gate import CURRENT
from plugins.intercom.sandbox.generate import tickets
from plugins.intercom.sandbox.generate.tickets import Ticket
from plugins.intercom.sandbox.replies import Listing, cursor_list, json_body, reply
from plugins.intercom.sandbox.store import Store

FOUND = Listing("tickets", "ticket.list", 20)


def routes(store: Store) -> Blueprint:
    api = Blueprint("tickets", __name__)

    def show(record: Ticket) -> dict[str, Any]:
        return record.fields if g.version >= CURRENT else render.older_ticket(record.fields)

    @api.post("/tickets/search")
    def found() -> Response:
        body = json_body()
        query = search.Parser(fields.TICKETS, ZoneInfo(store.zone), by_day=False).parse(body.get("query"))
        sort = search.sort_of(body, fields.TICKETS)
        return cursor_list(store, store.tickets, FOUND, query, sort, body.get("pagination") or {}, show)

    @api.get("/tickets/<ticket_id>")
    def retrieved(ticket_id: str) -> Response:
        record = store.tickets.get(ticket_id)
        if record is None:
            raise not_found("Resource Not Found", "ticket_not_found")
        return reply(show(record))

    @api.get("/ticket_types")
    def types() -> Response:
        return reply({"type": "list", "data": tickets.ticket_types(store.plan)})

    @api.get("/ticket_types/<type_id>")
    def one_type(type_id: str) -> Response:
        return reply(_by_id(tickets.ticket_types(store.plan), type_id))

    @api.get("/ticket_states")
    def states() -> Response:
        return reply({"type": "list", "data": tickets.ticket_states(store.plan)})

    return api


def _by_id(rows: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    for row in rows:
        if row["id"] == wanted:
            return row
    raise not_found()
