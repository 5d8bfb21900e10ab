"""The wizard: one address for each step of a draft, which can be left and taken up again anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError
from sqlalchemy import RowMapping
from werkzeug.datastructures import MultiDict

from core import jobs
from core.contract.errors import SourceError
from core.host import PluginError
from core.runtime.valkey import ValkeyError
from core.services import drafts, dryrun, overview
from core.services.errors import Conflict, Invalid, ServiceError
from core.services.estimating import estimate
from core.services.policies import proposed_keys
from core.web.access import actor, mainstem, requires
from core.web.database import session
from core.web.forms import answered, shown
from core.web.steps import STEPS, steps_of
from core.web.steps.question import Setup, Step
from core.web.wording import afterwards_in_words, plan_in_words

blueprint = Blueprint("setup", __name__, url_prefix="/setup")


def _draft(id: int) -> RowMapping:
    with mainstem().engine.connect() as connection:
        return drafts.get_draft(connection, id)


def _setup(draft: RowMapping) -> Setup:
    manifest = mainstem().host.manifest(draft["plugin"])
    account, schema = drafts.account_of_draft(mainstem(), draft), drafts.schema_in(draft)
    return Setup(
        manifest=manifest,
        account=draft["account_name"],
        config=draft["config"],
        schema=schema,
        roster=drafts.roster_in(draft),
        problem=draft["problem"],
        policies=proposed_keys(mainstem(), account),
        estimate=partial(estimate, mainstem(), account, schema),
    )


def _is_answered(step: Step, config: Mapping[str, Any]) -> bool:
    return all(section in config for section in step.sections)


@blueprint.get("/<int:id>")
@requires("sources.manage")
def resume(id: int) -> ResponseReturnValue:
    """Lead to the first step that is not answered yet."""
    draft = _draft(id)
    if draft["remote_id"] is None:
        return redirect(url_for("connect.again", id=id))
    steps = steps_of(mainstem().host.manifest(draft["plugin"]))
    for step in steps:
        if not _is_answered(step, draft["config"]):
            return redirect(url_for("setup.ask", id=id, key=step.key))
    return redirect(url_for("setup.review", id=id))


@blueprint.get("/<int:id>/<any(fields, teams, retention, records, merge):key>")
@requires("sources.manage")
def ask(id: int, key: str) -> ResponseReturnValue:
    """Ask a question."""
    draft = _draft(id)
    if draft["remote_id"] is None:
        return redirect(url_for("connect.again", id=id))
    setup = _setup(draft)
    return _page(draft, setup, _step(setup, key))


@blueprint.post("/<int:id>/<any(fields, teams, retention, records, merge):key>")
@requires("sources.manage")
def answer(id: int, key: str) -> ResponseReturnValue:
    """Keep the answer to a question and lead to the next one."""
    draft = _draft(id)
    setup = _setup(draft)
    step = _step(setup, key)
    given = answered(setup, step, request.form)
    if given.changed_only:
        return _page(draft, given.setup, step, given.form)
    try:
        drafts.choose(mainstem(), id, given.sections)
    except Invalid as error:
        return _page(draft, given.setup, step, given.form, error.errors), 400
    steps = steps_of(setup.manifest)
    following = steps[steps.index(step) + 1 :]
    if "later" in request.form:
        flash("Kept. Continue whenever you like", "success")
        return redirect(url_for("sources.index"))
    return redirect(url_for("setup.ask", id=id, key=following[0].key) if following else url_for("setup.review", id=id))


def _step(setup: Setup, key: str) -> Step:
    if STEPS[key] not in steps_of(setup.manifest):
        abort(404)
    return STEPS[key]


def _page(
    draft: RowMapping,
    setup: Setup,
    step: Step,
    form: MultiDict[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    return render_template(
        "setup/step.html", draft=draft, **_frame(draft, setup, step.key), **shown(setup, step, form, errors)
    )


def _frame(draft: RowMapping, setup: Setup, key: str) -> dict[str, Any]:
    """Return what the list of steps needs: each with whether it is answered."""
    steps = [
        {"label": step.label, "href": url_for("setup.ask", id=draft["id"], key=step.key), "key": step.key,
         "done": _is_answered(step, draft["config"])}
        for step in steps_of(setup.manifest)
    ]  # fmt: skip
    steps.append({"label": "Done", "href": url_for("setup.review", id=draft["id"]), "key": "done", "done": False})
    keys = [step["key"] for step in steps]
    here = keys.index(key)
    return {
        "steps": steps,
        "here": key,
        "number": here + 1,
        "back": steps[here - 1]["href"] if here else None,
        "manifest": setup.manifest,
    }


@blueprint.get("/<int:id>/done")
@requires("sources.manage")
def review(id: int) -> ResponseReturnValue:
    """Say in words what will happen."""
    draft = _draft(id)
    if draft["remote_id"] is None:
        return redirect(url_for("connect.again", id=id))
    return _review(draft)


def _review(draft: RowMapping, problem: str = "") -> str:
    setup = _setup(draft)
    open_steps = [step for step in steps_of(setup.manifest) if not _is_answered(step, draft["config"])]
    return render_template(
        "setup/done.html",
        draft=draft,
        setup=setup,
        open_steps=open_steps,
        words=plan_in_words(setup),
        afterwards=afterwards_in_words(setup),
        problem=problem,
        before=overview.before(session(), mainstem().host, draft["plugin"], draft["remote_id"]),
        **_frame(draft, setup, "done"),
    )


@blueprint.get("/<int:id>/try")
@requires("sources.manage")
def attempt(id: int) -> ResponseReturnValue:
    """Try the choices on a sample; nothing is written."""
    draft = _draft(id)
    trials, problem = [], ""
    try:
        trials = dryrun.dry_run(mainstem(), drafts.opened_of(draft))
    except (ServiceError, SourceError, PluginError) as error:
        problem = str(error)
    values = {"draft": draft, "trials": trials, "problem": problem}
    if "HX-Request" in request.headers:
        return render_template("setup/_trial.html", **values)
    return render_template("setup/trial.html", **values, **_frame(draft, _setup(draft), "done"))


@blueprint.post("/<int:id>/done")
@requires("sources.manage")
def finish(id: int) -> ResponseReturnValue:
    """Make the draft a data source and begin its first sync."""
    draft = _draft(id)
    try:
        source_id = drafts.finish(mainstem(), id, actor())
    except (Conflict, Invalid) as error:
        return _review(draft, str(error)), 409
    try:
        jobs.start_sync(mainstem(), source_id)
        flash("Connected. The first sync has started", "success")
    except (RedisError, ValkeyError):
        flash(
            "Connected. No sync could be started, as Redis is out of reach: start it, then choose «Sync now»", "danger"
        )
    return redirect(url_for("sources.show", id=source_id))


@blueprint.post("/<int:id>/refresh")
@requires("sources.manage")
def refresh(id: int) -> ResponseReturnValue:
    """Look again at what the account offers."""
    key = request.form.get("key", "")
    try:
        drafts.refresh(mainstem(), id)
        flash("Read again", "success")
    except (ServiceError, SourceError, PluginError) as error:
        flash(str(error), "danger")
    return redirect(url_for("setup.ask", id=id, key=key) if key in STEPS else url_for("setup.resume", id=id))


@blueprint.get("/<int:id>/discard")
@requires("sources.manage")
def ask_discard(id: int) -> ResponseReturnValue:
    """Ask whether to forget a draft."""
    draft = _draft(id)
    title = mainstem().host.manifest(draft["plugin"]).title
    return render_template("setup/discard.html", draft=draft, plugin=title)


@blueprint.post("/<int:id>/discard")
@requires("sources.manage")
def discard(id: int) -> ResponseReturnValue:
    """Forget a draft and its credentials."""
    drafts.discard(mainstem(), id)
    flash("Discarded", "success")
    return redirect(url_for("sources.index"))
