"""Changes of what was chosen for a data source, by the same questions as when it was set up (R26)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError
from sqlalchemy import RowMapping
from werkzeug.datastructures import MultiDict

from core import jobs
from core.contract.errors import SourceError
from core.contract.types import Roster
from core.host import PluginError
from core.runtime.valkey import ValkeyError
from core.services.accounts import account_of
from core.services.errors import Conflict, Invalid
from core.services.estimating import estimate
from core.services.fields import new_fields, stored_schema
from core.services.policies import proposed_keys
from core.services.reconfiguring import reconfigure
from core.services.sources import config_of, get_source
from core.web.access import actor, mainstem, requires
from core.web.actions import AUDIENCES
from core.web.forms import answered, shown
from core.web.steps import OPTIONS, STEPS, steps_of
from core.web.steps.question import Setup, Step

blueprint = Blueprint("edit", __name__, url_prefix="/sources")

SHORTER = (
    "Where they are kept shorter, older ones begin to go within a minute and stay in the counters; filters see only "
    "what is kept."
)
CONSEQUENCES: Mapping[str, str] = {
    "options": "This holds for what comes in from now on. Values that are here already stay as they are.",
    "fields": "An object to which you add something is read again from its beginning, the others are not. What you "
    f"take out no longer comes in; its values stay. {AUDIENCES}",
    "teams": "Teams and users are read again at once.",
    "retention": "A resync starts at once: what changed since the last one, and, where activities are kept longer, "
    f"those of the time that was not covered before. {SHORTER} {AUDIENCES}",
    "records": "Where conditions are added, changed or dropped, all records are read again. Those that no longer meet "
    f"them stay and are no longer updated; how many is told under Health. {AUDIENCES}",
    "merge": "This holds for what comes in from now on. Who was merged already stays merged.",
}
"""What follows from a change, said before it is made."""
RESYNCS = ("teams", "retention", "records")
"""The questions whose new answer starts a sync."""
ALL_ANEW = (
    "A resync starts at once. Where activities are kept longer, their objects are read again from the beginning. "
    f"{SHORTER} {AUDIENCES}"
)
"""The same of a longer retention, where the plugin cannot read the past alone."""


def _setup(source: RowMapping, key: str) -> Setup:
    host = mainstem().host
    manifest, config = host.manifest(source["plugin"]), config_of(mainstem(), source)
    account = account_of(mainstem(), source, config)
    with mainstem().engine.connect() as connection:
        schema = stored_schema(connection, source["id"])
        new = new_fields(connection, source["id"])
    roster, problem = Roster(), None
    if key == "teams":
        try:
            roster = host.source(source["plugin"]).import_team(account=account)
        except (SourceError, PluginError) as error:
            problem = str(error)
    return Setup(
        manifest=manifest,
        account=source["account_name"],
        config=source["config"],
        schema=schema,
        roster=roster,
        problem=problem,
        policies=proposed_keys(mainstem(), account),
        new=new,
        estimate=partial(estimate, mainstem(), account, schema),
    )


@blueprint.get("/<int:id>/edit/<any(options, fields, teams, retention, records, merge):key>")
@requires("sources.manage")
def ask(id: int, key: str) -> ResponseReturnValue:
    """Ask a question again."""
    source = _source(id)
    setup = _setup(source, key)
    return _page(source, setup, _step(setup, key))


@blueprint.post("/<int:id>/edit/<any(options, fields, teams, retention, records, merge):key>")
@requires("sources.manage")
def answer(id: int, key: str) -> ResponseReturnValue:
    """Keep the new answer, and begin a sync where it needs one."""
    source = _source(id)
    setup = _setup(source, key)
    step = _step(setup, key)
    if setup.problem:
        flash(setup.problem, "danger")
        return redirect(url_for("sources.show", id=id))
    given = answered(setup, step, request.form)
    if given.changed_only:
        return _page(source, given.setup, step, given.form)
    try:
        anew = reconfigure(mainstem(), id, given.sections, actor())
    except Invalid as error:
        return _page(source, given.setup, step, given.form, error.errors), 400
    except Conflict as error:
        flash(str(error), "danger")
        return redirect(url_for("sources.show", id=id))
    changed = any(source["config"].get(name) != value for name, value in given.sections.items())
    if source["state"] == "connected" and changed and (anew or key in RESYNCS):
        _sync(id)
    else:
        flash("Saved", "success")
    return redirect(url_for("sources.show", id=id))


def _sync(id: int) -> None:
    try:
        jobs.start_sync(mainstem(), id)
        flash("Saved; a sync has started", "success")
    except (RedisError, ValkeyError):
        flash("Saved. No sync could be started, as Redis is out of reach: start it, then choose «Sync now»", "danger")


def _source(id: int) -> RowMapping:
    with mainstem().engine.connect() as connection:
        return get_source(connection, id)


def _step(setup: Setup, key: str) -> Step:
    step = OPTIONS if key == OPTIONS.key else STEPS[key]
    if step is not OPTIONS and step not in steps_of(setup.manifest):
        abort(404)
    return step


def _page(
    source: RowMapping,
    setup: Setup,
    step: Step,
    form: MultiDict[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    consequence = CONSEQUENCES[step.key]
    if step.key == "retention" and not setup.manifest.past:
        consequence = ALL_ANEW
    return render_template(
        "sources/edit.html",
        source=source,
        consequence=consequence,
        resyncs=RESYNCS,
        **shown(setup, step, form, errors),
    )
