"""Changes to articles, admins, tokens, scopes, plan and faults; random activity."""

from __future__ import annotations

from typing import Any

from plugins.intercom.sandbox import items
from plugins.intercom.sandbox.errors import bad_parameter, not_found
from plugins.intercom.sandbox.faults import SCOPES, FaultError
from plugins.intercom.sandbox.state import State, mutator


class WorkspaceChanges(State):
    @mutator
    def create_article(self, title: str, body: str = "", state: str = "published", parent_ids: Any = ()) -> str:
        """Returns the article's id. Webhook `article.created`."""
        article_id, now = str(5_500 + self.next_number("article")), self.clock.seconds()
        article = {
            "id": article_id, "type": "article", "workspace_id": self.plan.workspace, "parent_ids": list(parent_ids),
            "tags": {"type": "tag.list", "tags": []}, "title": title, "description": "", "body": body,
            "author_id": 7001, "state": state, "created_at": now, "updated_at": now, "url": None,
        }  # fmt: skip
        self.articles[article_id] = article
        self.webhooks.emit("article.created", items.article(article))
        return article_id

    @mutator
    def update_article(self, article_id: str, **fields: Any) -> None:
        """Webhook `article.updated`; `article.published` or `.unpublished` when `state` changes."""
        article = self._article(article_id)
        unknown = set(fields) - set(article)
        if unknown:
            raise bad_parameter(f"article has no field named {', '.join(sorted(unknown))}")
        changed_state = fields.get("state", article["state"]) != article["state"]
        article |= {**fields, "updated_at": self.clock.seconds()}
        self.webhooks.emit("article.updated", items.article(article))
        if changed_state:
            event = "published" if article["state"] == "published" else "unpublished"
            self.webhooks.emit(f"article.{event}", items.article(article))

    @mutator
    def delete_article(self, article_id: str) -> None:
        """Webhook `article.deleted` with the whole article."""
        article = self._article(article_id)
        del self.articles[article_id]
        self.webhooks.emit("article.deleted", items.article(article))

    @mutator
    def add_admin(self, name: str, email: str, team_ids: Any = ()) -> str:
        """Returns the admin's id. Webhook `admin.added_to_workspace`."""
        admin_id = str(7_100 + self.next_number("admin"))
        teams = [int(team_id) for team_id in team_ids]
        self.admins[admin_id] = {
            "type": "admin", "id": admin_id, "name": name, "email": email, "job_title": None,
            "away_mode_enabled": False, "away_mode_reassign": False, "away_status_reason_id": None,
            "has_inbox_seat": True, "team_ids": teams, "avatar": None,
            "team_priority_level": {"primary_team_ids": teams, "secondary_team_ids": []},
        }  # fmt: skip
        self.webhooks.emit("admin.added_to_workspace", dict(self.admins[admin_id]))
        return admin_id

    @mutator
    def remove_admin(self, admin_id: str) -> None:
        """Vanishes from lists, stays named as author. Webhook `admin.removed_from_workspace` (id a number)."""
        admin = self.admins.pop(admin_id, None)
        if admin is None:
            raise not_found("Admin not found", "admin_not_found")
        self.webhooks.emit("admin.removed_from_workspace", {**admin, "id": int(admin_id)})

    @mutator
    def create_tag(self, name: str) -> str:
        """Returns the tag's id. Intercom has no webhook for it."""
        tag_id = str(100 + self.next_number("tag"))
        self.tags[tag_id] = {"type": "tag", "id": tag_id, "name": name}
        return tag_id

    @mutator
    def revoke_token(self, token: str | None = None, code: str = "token_revoked") -> None:
        """Answer this token (default: all) by 401 with this code from now on."""
        for one in [token] if token else list(self.tokens):
            self.tokens.discard(one)
            self.dead_tokens[one] = code

    @mutator
    def issue_token(self) -> str:
        """A new access token, as after another consent."""
        token = f"{self.token}_{self.next_number('token')}"
        self.tokens.add(token)
        return token

    @mutator
    def drop_scope(self, scope: str, status: int = 403) -> None:
        """Answer everything of a scope by 403, or by 401 as some endpoints do."""
        if scope not in SCOPES:
            raise bad_parameter(f"scope is one of {', '.join(SCOPES)}")
        (self.faults.unauthorized if status == 401 else self.faults.forbidden).add(scope)

    @mutator
    def grant_scope(self, scope: str) -> None:
        """Undo `drop_scope`."""
        self.faults.forbidden.discard(scope)
        self.faults.unauthorized.discard(scope)

    @mutator
    def set_plan_restricted(self, restricted: bool = True) -> None:
        """Answer conversations by 403 `api_plan_restricted`, as without a subscription."""
        (self.faults.flags.add if restricted else self.faults.flags.discard)("plan")

    @mutator
    def set_faults(self, spec: str) -> None:
        """Replace all faults; an empty spec ends them. The grammar is in docs/sandbox.md."""
        self.faults.clear()
        try:
            self.faults.add(spec)
        except FaultError as error:
            raise bad_parameter(str(error)) from None

    @mutator
    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward."""
        self.clock.advance(seconds)

    @mutator
    def set_zone(self, zone: str) -> None:
        """The workspace's time zone, an IANA name; contact searches match its days."""
        self.zone = zone

    def _article(self, article_id: str) -> dict[str, Any]:
        article = self.articles.get(str(article_id))
        if article is None:
            raise not_found()
        return article
