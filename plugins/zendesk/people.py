"""End users become people, organizations stay what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.contract.types import JSON, Account, Cursor, Page, Record, Ref
from plugins.base.mapping import map_each, own_id, record, remote_id, split_name
from plugins.base.pages import dig
from plugins.zendesk.client import ZendeskClient
from plugins.zendesk.exports import Export, TimedExport

USER_PLAIN = ("alias", "details", "notes", "time_zone", "suspended", "verified", "last_login_at")
ORGANIZATION_PLAIN = ("external_id", "details", "notes", "domain_names", "shared_tickets")


class Users(Export):
    """End users by their last change."""

    object = "user"
    path = "/api/v2/incremental/users/cursor.json"
    name = "users"

    def page(self, client: ZendeskClient, rows: list[Any], following: Cursor | None) -> Page:
        """Map the end users; the deleted are inactive, and agents and admins belong to the team."""
        alive = [row for row in rows if not is_deleted(row) and not is_teammate(row)]
        deleted = [Ref("user", own_id(row)) for row in rows if is_deleted(row)]
        return Page(map_each("user", alive, map_user), next=following, deleted=deleted)

    def count(self, account: Account) -> int | None:
        """Return how many end users there are."""
        return ZendeskClient(account).count("/api/v2/users/count.json", {"role": "end-user"})


class Organizations(TimedExport):
    """Organizations by their last change."""

    object = "organization"
    path = "/api/v2/incremental/organizations.json"
    name = "organizations"

    def page(self, client: ZendeskClient, rows: list[Any], following: Cursor | None) -> Page:
        """Map organizations; the deleted say when that was."""
        alive = [row for row in rows if not dig(row, "deleted_at")]
        deleted = [Ref("organization", own_id(row)) for row in rows if dig(row, "deleted_at")]
        return Page(map_each("organization", alive, map_organization), next=following, deleted=deleted)

    def count(self, account: Account) -> int | None:
        """Return how many organizations there are."""
        return ZendeskClient(account).count("/api/v2/organizations/count.json")


def is_deleted(user: Any) -> bool:
    """Tell whether a user was deleted, or merged into another one."""
    return dig(user, "active") is False


def is_teammate(user: Any) -> bool:
    """Tell whether a user works in Zendesk."""
    return dig(user, "role") in ("agent", "admin")


def map_user(user: dict[str, Any]) -> Record:
    """Map one end user."""
    get = user.get
    first_name, last_name = split_name(get("name"))
    organization = remote_id(get("organization_id"))
    return record(
        "user",
        user,
        values={
            "email": get("email"),
            "phone": get("phone"),
            "external_id": get("external_id"),
            "first_name": first_name,
            "last_name": last_name,
            "language": get("locale"),
            "avatar_url": dig(user, "photo", "content_url"),
        },
        fields={**{key: get(key) for key in USER_PLAIN}, **custom(get("user_fields"))},
        tags=tuple(get("tags") or ()),
        organizations=(Ref("organization", organization),) if organization else (),
    )


def map_organization(organization: dict[str, Any]) -> Record:
    """Map one organization."""
    get = organization.get
    domains = get("domain_names") or ()
    return record(
        "organization",
        organization,
        values={"name": get("name"), "domain": domains[0] if domains else None},
        fields={
            **{key: get(key) for key in ORGANIZATION_PLAIN},
            **custom(get("organization_fields")),
        },
        tags=tuple(get("tags") or ()),
    )


def custom(values: Mapping[str, JSON] | None) -> dict[str, JSON]:
    """Return custom fields under ``custom_<key>``: no key of theirs meets one of Zendesk's own fields."""
    return {f"custom_{key}": None if value == "" else value for key, value in (values or {}).items()}
