"""The small endpoints: /me, admins, teams, tags, segments, subscription types, data attributes, articles."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from plugins.intercom.sandbox import pages, render
from plugins.intercom.sandbox.errors import ApiError, not_found
from plugins.intercom.sandbox.gate import CURRENT
from plugins.intercom.sandbox.generate import articles, attributes, workspace
from plugins.intercom.sandbox.replies import reply
from plugins.intercom.sandbox.search import Query
from plugins.intercom.sandbox.store import Store

CONVERSATION_MODEL = "model=conversation is no longer supported. Use GET /conversations/attributes instead"


def routes(store: Store) -> Blueprint:
    api = Blueprint("workspace", __name__)

    @api.get("/me")
    def me() -> Response:
        return reply(_me(store))

    @api.get("/admins")
    def admins() -> Response:
        return reply({"type": "admin.list", "admins": list(store.admins.values())})

    @api.get("/admins/<admin_id>")
    def admin(admin_id: str) -> Response:
        return reply(_found(store.admins, admin_id, not_found("Admin not found", "admin_not_found")))

    @api.get("/teams")
    def teams() -> Response:
        return reply({"type": "team.list", "teams": [_team(store, team) for team in store.teams.values()]})

    @api.get("/teams/<team_id>")
    def team(team_id: str) -> Response:
        return reply(_team(store, _found(store.teams, team_id, not_found("Team not found", "team_not_found"))))

    @api.get("/away_status_reasons")
    def away_reasons() -> Response:
        return reply({"type": "list", "data": workspace.away_reasons(store.plan)})

    @api.get("/tags")
    def tags() -> Response:
        return reply({"type": "list", "data": list(store.tags.values())})

    @api.get("/tags/<tag_id>")
    def tag(tag_id: str) -> Response:
        return reply(_found(store.tags, tag_id, not_found()))

    @api.get("/segments")
    def segments() -> Response:
        rows = workspace.segment_list(store.plan)
        if request.args.get("include_count") == "true":
            rows = [{**row, "count": _in_segment(store, row["id"])} for row in rows]
        return reply({"type": "segment.list", "segments": rows})

    @api.get("/segments/<segment_id>")
    def segment(segment_id: str) -> Response:
        return reply(_found({row["id"]: row for row in workspace.segment_list(store.plan)}, segment_id, not_found()))

    @api.get("/subscription_types")
    def subscription_types() -> Response:
        return reply({"type": "list", "data": workspace.subscription_list()})

    @api.get("/data_attributes")
    def data_attributes() -> Response:
        model = request.args.get("model")
        if model == "conversation":
            raise ApiError(422, "parameter_invalid", CONVERSATION_MODEL)
        archived = request.args.get("include_archived") == "true"
        rows = attributes.data_attributes(store.plan)
        rows = [row for row in rows if model in (None, row["model"]) and (archived or not row["archived"])]
        return reply({"type": "list", "data": rows})

    @api.get("/articles")
    def article_list() -> Response:
        return reply(pages.numbered_list([_article(row) for row in _newest(store.articles)], request.args, 25, 150))

    @api.get("/articles/<article_id>")
    def article(article_id: str) -> Response:
        found = _article(_found(store.articles, article_id, not_found()))
        return reply({**found, "statistics": articles.statistics(store.plan, article_id)})

    @api.get("/help_center/collections")
    def collections() -> Response:
        return reply(pages.numbered_list(_newest(store.collections), request.args, 20, 150))

    @api.get("/help_center/collections/<collection_id>")
    def collection(collection_id: str) -> Response:
        return reply(_found(store.collections, collection_id, not_found()))

    @api.get("/help_center/help_centers")
    def help_centers() -> Response:
        return reply({"type": "list", "data": [articles.help_center(store.plan)]})

    @api.get("/help_center/help_centers/<center_id>")
    def help_center(center_id: str) -> Response:
        centers = {"84": articles.help_center(store.plan)}
        return reply(_found(centers, center_id, not_found()))

    return api


def _found(rows: dict[str, dict[str, Any]], wanted: str, missing: ApiError) -> dict[str, Any]:
    if wanted not in rows:
        raise missing
    return rows[wanted]


def _newest(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows.values(), key=lambda row: (-row["updated_at"], row["id"]))


def _article(article: dict[str, Any]) -> dict[str, Any]:
    return article if g.version >= CURRENT else render.older_article(article)


def _in_segment(store: Store, segment_id: str) -> int:
    query = Query(rest=lambda contact: segment_id in contact.value("segment_id"), key=f"segment {segment_id}")
    with store.lock:
        return store.contacts.count(query)


def _team(store: Store, team: dict[str, Any]) -> dict[str, Any]:
    members = [int(admin["id"]) for admin in store.admins.values() if int(team["id"]) in admin["team_ids"]]
    priorities = {"primary_admin_ids": members[:1], "secondary_admin_ids": members[1:]}
    return {**team, "admin_ids": members, "admin_priority_level": priorities, "distribution_method": "round_robin"}


def _me(store: Store) -> dict[str, Any]:
    """The admin who approved the app, and the workspace."""
    admin = workspace.admins(store.plan)["7001"]
    return {
        "type": "admin",
        "id": admin["id"],
        "email": admin["email"],
        "name": admin["name"],
        "email_verified": True,
        "has_inbox_seat": True,
        "avatar": {"type": "avatar", "image_url": admin["avatar"]},
        "app": {
            "type": "app",
            "id_code": store.plan.workspace,
            "name": "Mainstem demo",
            "created_at": store.plan.born,
            "secure": False,
            "identity_verification": False,
            "timezone": store.zone,
            "region": "EU",
        },
    }
