"""The data sources: their list, and the pages of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError

from core import jobs
from core.contract.errors import SourceError
from core.contract.fields import Entity
from core.contract.types import MergePolicy
from core.db.models import DataSource
from core.host import PluginError, PluginMissing
from core.runtime.valkey import ValkeyError
from core.services import connecting, consents, controls, drafts, overview
from core.services.accounts import account_of
from core.services.completeness import completeness
from core.services.counting import numbers_of, series
from core.services.errors import ServiceError
from core.services.fields import stored_schema
from core.services.inbox import KEPT
from core.services.policies import proposed_keys
from core.services.progress import RunProgress, latest
from core.services.progress import progress as progress_of
from core.services.reconfiguring import add_new_fields
from core.services.sources import config_of, get_source
from core.web import listing, params
from core.web.access import actor, mainstem, requires
from core.web.actions import ACTIONS
from core.web.csv import as_csv
from core.web.database import session
from core.web.steps import OPTIONS, steps_of
from core.web.wording import config_in_words

blueprint = Blueprint("sources", __name__)

CONTROLS = {
    "pause": (controls.pause_run, "The sync is paused"),
    "resume": (controls.resume_run, "The sync goes on"),
    "cancel": (controls.cancel_run, "The sync is cancelled"),
}
"""What is done to a run, and what is said afterwards."""

AUDIENCE = ("name", "email", "organizations", "created_at")
"""The columns that have room beside the details; the list of people has all."""


@blueprint.get("/sources/")
def index() -> ResponseReturnValue:
    """List the data sources; those that are being set up stand before the first page."""
    host = mainstem().host
    query = overview.Query(request.args.get("q", "").strip(), request.args.get("state", ""))
    page = overview.page(session(), host, query, request.args.get("page"))
    is_first = page.previous is None and not query.state
    return render_template(
        "sources/index.html",
        query=query,
        page=page,
        drafts=drafts.list_drafts(session().connection(), host, query.text) if is_first else [],
    )


@blueprint.get("/sources/<int:id>")
def show(id: int) -> ResponseReturnValue:
    """Show what a data source brought and how its sync goes."""
    source = overview.get(session(), id)
    return _render(
        "sources/overview.html",
        source,
        counts=(numbers := numbers_of(session(), mainstem().host, [source])[id]),
        days=series([numbers.activity_days], 14),
        progress=_progress(id),
        taken_up=overview.taken_up(session(), source),
        left=overview.left_people(session(), mainstem().host, source),
    )


@blueprint.get("/sources/<int:id>/progress")
def progress(id: int) -> ResponseReturnValue:
    """Return the part of the page that shows the last run, for a browser that keeps asking."""
    source, last = overview.get(session(), id), _progress(id)
    response = make_response(render_template("sources/_run.html", source=source, progress=last))
    if last is None or last.finished:
        response.headers["HX-Trigger"] = "run-ended"
    return response


@blueprint.get("/sources/<int:id>/activity")
def activity(id: int) -> ResponseReturnValue:
    """Show what it brought of the last days."""
    source = overview.get(session(), id)
    events = overview.events(session(), mainstem().host, source, request.args.get("page"))
    return _render("sources/activity.html", source, events=events)


@blueprint.get("/sources/<int:id>/audience")
def audience(id: int) -> ResponseReturnValue:
    """Show the people it brought."""
    source = overview.get(session(), id)
    found = listing.read("person", source=id, state="all")
    found = replace(found, shown=[found.columns[key] for key in AUDIENCE])
    numbers = numbers_of(session(), mainstem().host, [source])[id]
    return _render("sources/audience.html", source, listing=found, page=found.page(), count=numbers.people)


@blueprint.get("/sources/<int:id>/runs/<int:run_id>/<any('log.csv', 'log.json'):file>")
def log(id: int, run_id: int, file: str) -> ResponseReturnValue:
    """Return what a run did, as a file."""
    overview.get(session(), id)
    run = progress_of(mainstem(), run_id)
    if run.source_id != id:
        abort(404)
    rows = overview.log_of(session(), run)
    if file == "log.json":
        text, mimetype = json.dumps({**run.summary(), "log": list(rows)}, ensure_ascii=False), "application/json"
    else:
        text, mimetype = as_csv(("object", "outcome", "count", "remote_id", "reason"), rows), "text/csv"
    response = Response(text, mimetype=mimetype)
    response.headers["Content-Disposition"] = f"attachment; filename=run-{run_id}.{file.partition('.')[2]}"
    return response


@blueprint.get("/sources/<int:id>/health")
def health(id: int) -> ResponseReturnValue:
    """Show the runs of a data source and the records it could not take."""
    source = overview.get(session(), id)
    manifest = overview.manifest_of(mainstem().host, source)
    skip = max(params.number("skip") or 0, 0)
    return _render(
        "sources/health.html",
        source,
        skip=skip,
        runs=overview.runs(session(), id, params.number("before")),
        refused=overview.refused(session(), id, skip),
        deliveries=overview.dead_deliveries(session(), id),
        manifest=manifest,
        labels={spec.key: spec.label for spec in manifest.objects} if manifest else {},
        received=overview.received(session(), id),
        received_days=KEPT.days,
        completeness=completeness(mainstem(), id),
    )


@blueprint.post("/sources/<int:id>/name")
@requires("sources.manage")
def rename(id: int) -> ResponseReturnValue:
    """Give a data source another name."""
    return _do(id, lambda: connecting.rename(mainstem(), id, request.form.get("name", ""), actor()), "Renamed")


@blueprint.post("/sources/<int:id>/sync")
@requires("sources.manage")
def sync(id: int) -> ResponseReturnValue:
    """Fetch what changed."""
    return _do(id, lambda: jobs.start_sync(mainstem(), id), "The sync has started")


@blueprint.post("/sources/<int:id>/fields")
@requires("sources.manage")
def add_fields(id: int) -> ResponseReturnValue:
    """Import the fields, too, that the vendor lists since fields were chosen."""

    def add() -> None:
        anew = add_new_fields(mainstem(), id, actor())
        if anew and overview.get(session(), id).state == "connected":
            jobs.start_sync(mainstem(), id)

    return _do(id, add, "The fields are added")


@blueprint.post("/sources/<int:id>/replay")
@requires("sources.manage")
def replay(id: int) -> ResponseReturnValue:
    """Give the webhooks that could not be worked off another chance."""
    back = url_for("sources.health", id=id)
    return _do(id, lambda: jobs.replay_webhooks(mainstem(), id, actor()), "The deliveries are worked off again", back)


@blueprint.post("/sources/<int:id>/<any(pause, resume, cancel):key>")
@requires("sources.manage")
def control(id: int, key: str) -> ResponseReturnValue:
    """Pause, resume or cancel the run of a data source."""
    work, done = CONTROLS[key]
    return _do(id, lambda: work(mainstem(), id, actor()), done)


@blueprint.post("/sources/<int:id>/retry")
@requires("sources.manage")
def retry(id: int) -> ResponseReturnValue:
    """Ask for the refused records again."""
    back = url_for("sources.health", id=id)
    return _do(id, lambda: jobs.ask_for_refused(mainstem(), id, actor()), "The records are being asked for again", back)


@blueprint.get("/sources/<int:id>/<any('full-sync', disconnect, reconnect, archive, restore, delete):key>")
@requires("sources.manage")
def ask(id: int, key: str) -> ResponseReturnValue:
    """Say what an action will do, and ask whether to do it."""
    source = overview.get(session(), id)
    if source.state not in ACTIONS[key].states:
        abort(409)
    manifest = overview.manifest_of(mainstem().host, source)
    fields = manifest.credentials().fields if manifest and ACTIONS[key].asks_credentials else {}
    return render_template(
        "sources/ask.html",
        source=source,
        title=overview.title(mainstem().host, source),
        key=key,
        action=ACTIONS[key],
        fields=fields,
        consent=bool(fields) and consents.offered(mainstem(), source.plugin) != "token",
    )


@blueprint.post("/sources/<int:id>/<any('full-sync', disconnect, reconnect, archive, restore, delete):key>")
@requires("sources.manage")
def act(id: int, key: str) -> ResponseReturnValue:
    """Do an action."""
    action = ACTIONS[key]
    given = {name: text for name, text in request.form.items() if text and name != "csrf_token"}
    return _do(id, lambda: action.run(mainstem(), id, actor(), given), action.done, to_list=action.leads_to_list)


def _do(
    id: int, work: Callable[[], object], done: str, back: str = "", *, to_list: bool = False
) -> ResponseReturnValue:
    overview.get(session(), id)
    back = back or url_for("sources.show", id=id)
    try:
        work()
    except (ServiceError, SourceError, PluginError) as error:
        flash(str(error), "danger")
        return redirect(back)
    except (RedisError, ValkeyError):
        flash("No sync could be started, as Redis is out of reach: start it, then choose «Sync now»", "danger")
        return redirect(back)
    flash(done, "success")
    return redirect(url_for("sources.index") if to_list else back)


def _progress(id: int) -> RunProgress | None:
    try:
        return latest(mainstem(), id)
    except PluginMissing:
        # Without its plugin nothing is known of its objects; the page says that it is missing.
        return None


def _render(template: str, source: DataSource, **values: object) -> str:
    host = mainstem().host
    manifest = overview.manifest_of(host, source)
    schema = stored_schema(session().connection(), source.id, retired=True)
    actions = {key: action for key, action in ACTIONS.items() if source.state in action.states}
    return render_template(
        template,
        source=source,
        title=overview.title(host, source),
        words=config_in_words(source, manifest, schema, _proposed(source.id)) if manifest else [],
        edits=[OPTIONS, *steps_of(manifest)] if manifest else [],
        actions=actions,
        waiting=overview.waiting_fields(session(), source, manifest) if manifest else [],
        refused_count=overview.refused_count(session(), source.id),
        at_work=overview.is_at_work(session(), source.id),
        **values,
    )


def _proposed(id: int) -> Mapping[Entity, MergePolicy] | None:
    """Return the merge keys that the plugin proposes; None if it fails to."""
    row = get_source(session().connection(), id)
    try:
        return proposed_keys(mainstem(), account_of(mainstem(), row, config_of(mainstem(), row)))
    except (SourceError, PluginError):
        return None
