from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text as sql
from sqlalchemy import update
from werkzeug.routing import AnyConverter, Rule, UUIDConverter

from core.app import create_app
from core.db.engine import writing
from core.db.models import User
from core.services.configuration import ROLES
from core.services.mainstem import Mainstem
from core.services.users import reset_password
from core.web.access import PERMISSIONS, requires, safe_next
from tests.web.factories import PASSWORD, Factory, installation
from tests.web.helpers import log_in, send, text, token

PUBLIC = {
    "/login",
    "/forgotten",
    "/password/<token>",
    "/healthz",
    "/readyz",
    "/static/<path:filename>",
    "/webhooks/<plugin>",
    "/accept/<token>",
}
OWN = {
    *("preferences.theme", "auth.logout"),
    *("people.refine", "people.columns", "organizations.refine", "organizations.columns"),
}
"""Endpoints by which everybody changes what she herself sees."""

EXAMPLES = {
    "id": "1",
    "run_id": "1",
    "user_id": "1",
    "merge_id": "1",
    "name": "desk",
    "plugin": "desk",
    "key": "disconnect",
    "filename": "app.css",
    "file": "log.csv",
    "step": "fields",
    "kind": "person",
    "token": "forged",
}


def address(rule: Rule) -> str:
    """Return an address that ``rule`` matches."""

    def example(match: re.Match[str]) -> str:
        converter = rule._converters[match[1]]
        if isinstance(converter, AnyConverter):
            return min(converter.items)
        return EXAMPLES[match[1]] if not isinstance(converter, UUIDConverter) else f"{UUID(int=1)}"

    return re.sub(r"<(?:[^<>]*:)?(\w+)>", example, rule.rule)


def test_every_page_but_the_public_ones_leads_to_the_login(app: Flask, anonymous: FlaskClient):
    walked = 0
    for rule in app.url_map.iter_rules():
        if rule.rule in PUBLIC:
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = address(rule)
            data = {"csrf_token": token(anonymous)} if method == "POST" else None
            response = anonymous.open(path, method=method, data=data)
            assert response.status_code == 302, rule
            assert response.location.startswith("/login"), rule
            walked += 1
    assert walked > 15


def test_whoever_only_reads_can_change_nothing_but_her_own_settings(app: Flask, factory: Factory, reader: FlaskClient):
    factory.source()
    walked = 0
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or set()) and rule.rule not in PUBLIC and rule.endpoint not in OWN:
            response = send(reader, address(rule))
            assert response.status_code == 403, rule
            walked += 1
    assert walked >= 20


@pytest.mark.parametrize("role", ROLES)
def test_every_route_is_open_to_exactly_the_roles_of_the_table(app: Flask, factory: Factory, role: str):
    """What the server answers is compared with what the table, which the page of roles shows, says."""
    factory.user("first@example.com", "standard", state="invited")
    factory.source()
    client = log_in(app, factory.user("u@example.com", role).email)
    walked, refused = 0, 0
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule in PUBLIC or rule.endpoint in OWN:
            continue
        needed = getattr(app.view_functions[rule.endpoint], "permission", None)
        allowed = needed is None or role in PERMISSIONS[needed].roles
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            data = {"csrf_token": token(client)} if method == "POST" else None
            response = client.open(address(rule), method=method, data=data)
            assert (response.status_code != 403) is allowed, (rule, method, role)
            assert response.status_code != 500, (rule, method, role)
            walked += 1
            refused += not allowed
    assert walked > 60
    assert (refused > 0) is (role != "owner")


def test_every_permission_of_the_table_guards_something(app: Flask):
    needed = {getattr(view, "permission", None) for view in app.view_functions.values()}
    assert needed >= PERMISSIONS.keys()


@pytest.mark.parametrize("role", ROLES)
def test_the_page_of_roles_shows_the_table(app: Flask, factory: Factory, role: str):
    client = log_in(app, factory.user("u@example.com", role).email)
    page = client.get("/users/roles").get_data(as_text=True)
    column = ROLES.index(role)
    for permission in PERMISSIONS.values():
        row = page[page.index(f'<th scope="row" role="rowheader">{permission.label}</th>') :]
        cell = row[: row.index("</tr>")].split("<td ")[1:][column]
        assert ("Yes" in cell) is (role in permission.roles)


@pytest.mark.parametrize(("role", "allowed"), [("owner", True), ("admin", True), ("standard", False), ("agent", False)])
def test_roles_decide_who_manages_data_sources(app: Flask, factory: Factory, role: str, allowed: bool):
    source = factory.source()
    client = log_in(app, factory.user("u@example.com", role).email)
    page = client.get(f"/sources/{source.id}").get_data(as_text=True)
    assert ("Sync now" in page) is allowed
    assert ("Disconnect" in page) is allowed
    assert client.get(f"/sources/{source.id}/disconnect").status_code == (200 if allowed else 403)
    assert send(client, f"/sources/{source.id}/name", {"name": "New"}).status_code == (302 if allowed else 403)


def test_a_permission_that_does_not_exist_cannot_be_required():
    assert "sources.manage" in PERMISSIONS
    with pytest.raises(KeyError):
        requires("sources.mange")


def test_the_login_leads_to_where_one_wanted_to_go(app: Flask, factory: Factory, anonymous: FlaskClient):
    factory.user()
    sent_to = anonymous.get("/people/?q=ann&state=all").location
    response = send(anonymous, sent_to, {"email": " Olga@Example.com ", "password": PASSWORD})
    assert response.location == "/people/?q=ann&state=all"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "/\t/evil", "", None],
)
def test_the_login_never_leads_to_another_site(app: Flask, target: str | None):
    with app.test_request_context():
        assert safe_next(target) == "/"


def test_a_path_of_this_site_is_kept(app: Flask):
    with app.test_request_context():
        assert safe_next("/people/?q=a%20b#top") == "/people/?q=a%20b#top"


def test_wrong_password_unknown_email_and_revoked_user_are_told_the_same(factory: Factory, anonymous: FlaskClient):
    factory.user()
    factory.user("gone@example.com", state="revoked")
    attempts = [("olga@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("gone@example.com", PASSWORD)]
    pages = []
    for email, password in attempts:
        response = send(anonymous, "/login", {"email": email, "password": password})
        assert response.status_code == 401
        pages.append(text(response))
    assert len(set(pages)) == 1
    assert "do not belong together" in pages[0]


def test_after_five_failures_even_the_right_password_waits(factory: Factory, anonymous: FlaskClient):
    factory.user()
    factory.user("other@example.com")
    right = {"email": "olga@example.com", "password": PASSWORD}
    with time_machine.travel(datetime(2026, 11, 3, tzinfo=UTC), tick=False) as clock:
        for _ in range(5):
            assert send(anonymous, "/login", {**right, "password": "wrong"}).status_code == 401
        blocked = send(anonymous, "/login", right)
        assert blocked.status_code == 429
        assert "wait 15 minutes" in text(blocked)
        elsewhere = send(anonymous, "/login", right, environ_overrides={"REMOTE_ADDR": "127.0.0.2"})
        assert elsewhere.status_code == 302
        clock.shift(timedelta(minutes=16))
        send(anonymous, "/logout")
        assert send(anonymous, "/login", right).status_code == 302


def test_a_form_without_its_token_is_refused(factory: Factory, owner: FlaskClient):
    source = factory.source()
    response = owner.post(f"/sources/{source.id}/name", data={"name": "Taken over"})
    assert response.status_code == 400
    assert "no longer valid" in text(response)
    assert "Support desk" in text(owner.get("/sources/"))


def test_logging_out_ends_the_session(owner: FlaskClient):
    assert owner.get("/users/").status_code == 200
    assert send(owner, "/logout").location == "/login"
    assert owner.get("/users/").status_code == 302


def test_a_session_ends_when_the_user_is_revoked(mainstem: Mainstem, owner: FlaskClient):
    assert owner.get("/users/").status_code == 200
    with writing(mainstem.engine) as connection:
        connection.execute(update(User).values(state="revoked"))
    assert owner.get("/users/").status_code == 302


def test_a_session_ends_when_the_password_changes(mainstem: Mainstem, factory: Factory, app: Flask):
    user = factory.user()
    client = log_in(app, user.email)
    made = reset_password(mainstem, user.id)
    assert client.get("/users/").status_code == 302
    assert log_in(app, user.email, made).get("/users/").status_code == 200


def test_a_forged_session_is_nobody(app: Flask, anonymous: FlaskClient, factory: Factory):
    user = factory.user()
    for id in ("x", "", f"{user.id}", f"{user.id}.0000000000000000", "99.x"):
        with anonymous.session_transaction() as session:
            session["_user_id"] = id
        assert anonymous.get("/users/").status_code == 302


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(factory: Factory, anonymous: FlaskClient):
    factory.user()
    cookie = send(anonymous, "/login", {"email": "olga@example.com", "password": PASSWORD}).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires=" in cookie
    assert "Secure" not in cookie


def test_behind_https_the_cookie_is_secure_and_the_browser_told_to_stay(sqlite_url: str, tmp_path: Path):
    app = create_app(installation(sqlite_url, str(tmp_path / "i"), PUBLIC_URL="https://cdp.example.com"))
    response = app.test_client().get("/login")
    assert "Secure" in response.headers["Set-Cookie"]
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/login", "/people/", "/nowhere", "/healthz", "/static/app.css"])
def test_every_response_carries_the_security_headers(owner: FlaskClient, path: str):
    headers = owner.get(path, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_are_not_kept_and_versioned_files_are(owner: FlaskClient):
    page = owner.get("/people/")
    assert page.headers["Cache-Control"] == "no-store"
    versioned = re.search(r'href="(/static/app\.css\?v=\w+)"', page.get_data(as_text=True))
    assert versioned
    assert "immutable" in owner.get(versioned[1], buffered=True).headers["Cache-Control"]
    plain = owner.get("/static/app.css", buffered=True)
    assert plain.headers["Cache-Control"] == "max-age=86400"
    # That the file is closed is shown by the absence of a ResourceWarning.
    unchanged = owner.get("/static/app.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert unchanged.status_code == 304


def test_a_poll_without_a_session_sends_the_whole_page_to_the_login(factory: Factory, anonymous: FlaskClient):
    source = factory.source()
    response = anonymous.get(f"/sources/{source.id}/progress", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/login"


def test_the_theme_is_kept_per_user(app: Flask, factory: Factory, owner: FlaskClient, reader: FlaskClient):
    response = send(owner, "/preferences/theme", {"theme": "dark", "next": "/people/"})
    assert response.location == "/people/"
    assert 'data-theme="dark"' in owner.get("/people/").get_data(as_text=True)
    assert 'data-theme="system"' in reader.get("/people/").get_data(as_text=True)
    assert send(owner, "/preferences/theme", {"theme": "pink"}).status_code == 400
    assert 'data-theme="dark"' in owner.get("/people/").get_data(as_text=True)


def test_the_embedded_readiness_probe_tells_what_is_missing(mainstem: Mainstem, anonymous: FlaskClient):
    assert anonymous.get("/healthz").get_json() == {"ok": True}
    ready = anonymous.get("/readyz")
    assert ready.status_code == 200
    assert ready.get_json() == {"ok": True, "checks": {"database": True, "tables": True, "redis": True}}
    with writing(mainstem.engine) as connection:
        connection.execute(sql("delete from alembic_version"))
    behind = anonymous.get("/readyz")
    assert behind.status_code == 503
    assert behind.get_json()["checks"]["tables"] is False


def test_files_that_caches_may_keep_carry_no_session(owner: FlaskClient):
    assert "Set-Cookie" in owner.get("/people/").headers
    assert "Set-Cookie" not in owner.get("/static/app.css", buffered=True).headers
