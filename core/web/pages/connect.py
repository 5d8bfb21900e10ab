"""From the catalogue to an opened account: choose a plugin, connect it by consent or by pasted credentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from redis.exceptions import RedisError

from core import jobs
from core.contract.errors import Refused, SourceError
from core.contract.types import Manifest
from core.host import PluginError
from core.kit.report import kept
from core.runtime.valkey import ValkeyError
from core.services import connecting, consents, drafts, opening, overview
from core.services.consents import ConsentError, Traveller, Waiting
from core.services.errors import Invalid, ServiceError
from core.services.sources import get_source
from core.web.access import actor, mainstem, requires
from core.web.actions import ACTIONS, FREEING
from core.web.database import session as database
from core.web.steps import OPTIONS
from core.web.steps.question import Setup

blueprint = Blueprint("connect", __name__)


@blueprint.get("/sources/new")
@requires("sources.manage")
def catalogue() -> ResponseReturnValue:
    """Show what can be connected, by category."""
    host, settings = mainstem().host, mainstem().settings
    asked, category = request.args.get("q", "").strip(), request.args.get("category", "")
    manifests = [host.manifest(name) for name in host.names()]
    found = [
        manifest
        for manifest in sorted(manifests, key=lambda manifest: manifest.title.casefold())
        if (not category or manifest.category == category) and _mentions(manifest, asked)
    ]
    return render_template(
        "connect/catalogue.html",
        manifests=found,
        categories=sorted({manifest.category for manifest in manifests}),
        category=category,
        q=asked,
        tiers={manifest.name: (kept(manifest.name, settings.instance) or {}).get("tier") for manifest in found},
        existing=_blocking(found),
    )


def _mentions(manifest: Manifest, asked: str) -> bool:
    labels = [spec.label for spec in manifest.objects]
    text = " ".join((manifest.title, manifest.name, manifest.category, manifest.description, *labels)).casefold()
    return all(word in text for word in asked.casefold().split())


def _blocking(manifests: Iterable[Manifest]) -> dict[str, dict[str, Any]]:
    """Return, of each plugin of which no other account may be connected, what is in the way and what frees it."""
    in_the_way = opening.blocking(database().connection(), manifests)
    found = {}
    for manifest in manifests:
        if manifest.name in in_the_way:
            source = overview.get(database(), in_the_way[manifest.name])
            key = FREEING[source.state]
            already = opening.already_connected(manifest)
            found[manifest.name] = {"source": source, "key": key, "next": ACTIONS[key].label, "already": already}
    return found


@blueprint.get("/sources/new/<plugin>")
@requires("sources.manage")
def start(plugin: str) -> ResponseReturnValue:
    """Ask how an account of a plugin shall be connected."""
    return _page(_manifest(plugin), {})


@blueprint.post("/sources/new/<plugin>")
@requires("sources.manage")
def connect(plugin: str) -> ResponseReturnValue:
    """Open an account by pasted credentials, or send the admin to the vendor."""
    manifest = _manifest(plugin)
    config = OPTIONS.read(_setup(manifest, {}), request.form)
    names = list(manifest.credentials().fields)
    given = {name: text for name in names if (text := request.form.get(name, "").strip())}
    try:
        if request.form.get("how") == "consent":
            return _consent(manifest, config, {key: given.get(key, "") for key in manifest.consent_asks})
        draft = drafts.open_with_credentials(mainstem(), plugin, config, given, actor())
    except Invalid as error:
        return _page(manifest, config, drafts.credentials_errors(error), given), 400
    except (ServiceError, SourceError, PluginError) as error:
        return _page(manifest, config, {"": _said(manifest, error)}), 409
    return redirect(url_for("setup.resume", id=draft))


def _consent(manifest: Manifest, config: Mapping[str, Any], asked: Mapping[str, str]) -> ResponseReturnValue:
    draft = drafts.create(mainstem(), manifest.name, config, actor())
    try:
        return _leave(manifest, Waiting(draft_id=draft), asked)
    except Invalid:
        drafts.discard(mainstem(), draft)
        raise


@blueprint.get("/setup/<int:id>/connect")
@requires("sources.manage")
def again(id: int) -> ResponseReturnValue:
    """Ask again how the account of a draft shall be connected."""
    with mainstem().engine.connect() as connection:
        draft = drafts.get_draft(connection, id)
    if draft["remote_id"] is not None:
        return redirect(url_for("setup.resume", id=id))
    return _page(_manifest(draft["plugin"]), draft["config"])


@blueprint.post("/sources/<int:id>/consent")
@requires("sources.manage")
def reconnect(id: int) -> ResponseReturnValue:
    """Send the admin to the vendor to consent again."""
    with mainstem().engine.connect() as connection:
        source = get_source(connection, id)
    return _leave(_manifest(source["plugin"]), Waiting(source_id=id))


@blueprint.get("/oauth/<plugin>/callback")
@requires("sources.manage")
def callback(plugin: str) -> ResponseReturnValue:
    """Say that the vendor is being asked, and lead on: a page stays in sight while the next one is waited for."""
    address = f"{url_for('connect.accept', plugin=plugin)}?{urlencode(request.args.to_dict())}"
    return render_template("connect/back.html", manifest=_manifest(plugin), address=address)


@blueprint.get("/oauth/<plugin>/accept")
@requires("sources.manage")
def accept(plugin: str) -> ResponseReturnValue:
    """Take the vendor's answer to a consent."""
    manifest = _manifest(plugin)
    try:
        waiting, answers = consents.accept(mainstem(), plugin, request.args.to_dict(), _traveller())
    except ConsentError as error:
        return _problem(manifest, error.waiting, str(error), "Nothing was connected. Begin again from here.")
    try:
        if waiting.source_id is not None:
            return _reconnected(waiting.source_id, answers)
        assert waiting.draft_id is not None
        drafts.open_with_consent(mainstem(), waiting.draft_id, answers)
    except (ServiceError, SourceError, PluginError) as error:
        return _problem(manifest, waiting, f"{manifest.title} is not connected", _said(manifest, error))
    return redirect(url_for("setup.resume", id=waiting.draft_id))


def _reconnected(id: int, answers: Mapping[str, str]) -> ResponseReturnValue:
    connecting.reconnect(mainstem(), id, actor(), consent=answers)
    done = ACTIONS["reconnect"].done
    try:
        jobs.start_sync(mainstem(), id)
    except (RedisError, ValkeyError):
        done = "Reconnected; what changed meanwhile is fetched once Redis is within reach"
    flash(done, "success")
    return redirect(url_for("sources.show", id=id))


def _leave(manifest: Manifest, waiting: Waiting, answers: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """Lead away by a page of its own: a form may not lead to another site, by our own policy."""
    address = consents.begin(mainstem(), manifest.name, waiting, _traveller(), answers)
    return render_template("connect/leaving.html", manifest=manifest, address=address)


def _traveller() -> Traveller:
    if "browser" not in session:
        session["browser"] = token_urlsafe(16)
    return Traveller(current_user.id, session["browser"])


def _said(manifest: Manifest, error: Exception) -> str:
    if isinstance(error, Invalid):
        return " ".join(error.errors.values())
    if isinstance(error, Refused):
        return (
            f"{error}. Give the app this permission at {manifest.title}, or use a plan that has it, then connect again"
        )
    return str(error)


def _problem(manifest: Manifest, waiting: Waiting | None, title: str, advice: str) -> ResponseReturnValue:
    again = url_for("connect.start", plugin=manifest.name)
    if waiting and waiting.draft_id is not None:
        again = url_for("connect.again", id=waiting.draft_id)
    if waiting and waiting.source_id is not None:
        again = url_for("sources.ask", id=waiting.source_id, key="reconnect")
    return render_template("connect/problem.html", manifest=manifest, headline=title, advice=advice, again=again), 400


def _manifest(plugin: str) -> Manifest:
    host = mainstem().host
    if plugin not in host.names():
        abort(404)
    return host.manifest(plugin)


def _setup(manifest: Manifest, config: Mapping[str, Any]) -> Setup:
    return Setup(manifest, "", config, [])


def _page(
    manifest: Manifest,
    config: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> str:
    setup = _setup(manifest, config)
    fields = manifest.credentials().fields
    return render_template(
        "connect/connect.html",
        manifest=manifest,
        setup=setup,
        choices=setup.choices,
        errors=errors or {},
        how=consents.offered(mainstem(), manifest.name),
        fields=fields,
        pasted=bool(set(errors or {}) - set(manifest.consent_asks)),
        # What is no secret need not be typed in again.
        given={key: text for key, text in (given or {}).items() if not fields[key].metadata.get("secret")},
        existing=_blocking([manifest]).get(manifest.name),
        **OPTIONS.view(setup),
    )
