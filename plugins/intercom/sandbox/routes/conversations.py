"""/conversations: list, search, retrieve with parts, deleted, attributes (Intercom API 2.16)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request

from plugins.intercom.sandbox import fields, items, pages, render, search
from plugins.intercom.sandbox.errors import bad_parameter, not_found
from plugins.intercom.sandbox.gate import CURRENT, require_version
from plugins.intercom.sandbox.generate import attributes
from plugins.intercom.sandbox.generate.conversations import Conversation
from plugins.intercom.sandbox.replies import Listing, cursor_list, json_body, reply
from plugins.intercom.sandbox.store import Store

MOST_PARTS = 500
LIST = Listing("conversations", "conversation.list", 20, size_as_text=True)
FOUND = Listing("conversations", "conversation.list", 20)


def routes(store: Store) -> Blueprint:
    api = Blueprint("conversations", __name__)

    def show(record: Conversation) -> dict[str, Any]:
        shown = store.conversation_fields(record)
        return shown if g.version >= CURRENT else render.older_conversation(shown)

    @api.get("/conversations")
    def listed() -> Response:
        sort = ("updated_at", True)
        return cursor_list(store, store.conversations, LIST, search.Query(), sort, request.args, show)

    @api.post("/conversations/search")
    def found() -> Response:
        body = json_body()
        query = search.Parser(fields.CONVERSATIONS, ZoneInfo(store.zone), by_day=False).parse(body.get("query"))
        sort = search.sort_of(body, fields.CONVERSATIONS)
        return cursor_list(store, store.conversations, FOUND, query, sort, body.get("pagination") or {}, show)

    @api.get("/conversations/<conversation_id>")
    def retrieved(conversation_id: str) -> Response:
        with store.lock:
            record = store.conversation(conversation_id)
            shown, parts = dict(show(record)), store.parts(record)
        newest = parts[-MOST_PARTS:]
        if request.args.get("display_as") == "plaintext":
            newest = [{**part, "body": items.plain(part["body"])} for part in newest]
            shown["source"] = {**shown["source"], "body": items.plain(shown["source"]["body"])}
        part_list = {"type": "conversation_part.list", "conversation_parts": newest, "total_count": len(parts)}
        return reply({**shown, "conversation_parts": part_list})

    @api.get("/conversations/deleted")
    def deleted() -> Response:
        require_version(CURRENT)
        order = request.args.get("order", "desc")
        if order not in ("asc", "desc"):
            raise bad_parameter("order is asc or desc")
        with store.lock:
            rows = list(store.deleted_conversations)
        rows = rows[::-1] if order == "desc" else rows
        path = "/conversations/deleted"
        return reply(pages.link_list("conversations", rows, path, request.args, 20, 60, "conversations.list"))

    @api.get("/conversations/attributes")
    def attribute_list() -> Response:
        require_version(CURRENT)
        archived = request.args.get("include_archived") == "true"
        rows = [one for one in attributes.conversation_attributes(store.plan) if archived or not one["archived"]]
        return reply({"type": "list", "data": rows})

    @api.get("/conversations/attributes/<attribute_id>")
    def attribute(attribute_id: str) -> Response:
        require_version(CURRENT)
        for one in attributes.conversation_attributes(store.plan):
            if str(one["id"]) == attribute_id:
                return reply(one)
        raise not_found("Conversation attribute not found", "conversation_attribute_not_found")

    @api.get("/conversations/<conversation_id>/handling_events")
    def handling_events(conversation_id: str) -> Response:
        store.conversation(conversation_id)
        return reply({"handling_events": []})

    @api.get("/conversations/<conversation_id>/side_conversations")
    def side_conversations(conversation_id: str) -> Response:
        require_version(CURRENT)
        store.conversation(conversation_id)
        page = {"type": "pages", "page": 1, "per_page": 25, "total_pages": 0}
        empty: list[Any] = []
        return reply({"type": "side_conversation.list", "side_conversations": empty, "total_count": 0, "pages": page})

    return api
