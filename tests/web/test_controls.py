"""Buttons that pause, resume and cancel a run, and ask for refused records again; how complete the import is."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from flask import Flask
from flask.testing import FlaskClient
from rq import Queue
from sqlalchemy.orm import Session

from core.db.models import Run
from core.jobs import redis_of
from core.services.mainstem import Mainstem
from tests.web.factories import Factory
from tests.web.helpers import log_in, send, text


def state(mainstem: Mainstem, id: int) -> str:
    with Session(mainstem.engine) as session:
        return session.get_one(Run, id).state


def test_a_run_is_paused_resumed_and_cancelled(factory: Factory, owner: FlaskClient, mainstem: Mainstem):
    source = factory.source()
    run = factory.run(source, "running")
    page = f"/sources/{source.id}"
    assert "Pause Cancel" in text(owner.get(page))
    assert "The sync is paused" in text(send(owner, f"{page}/pause", follow_redirects=True))
    assert state(mainstem, run.id) == "paused"
    assert "Resume Cancel" in text(owner.get(page))
    assert "The sync goes on" in text(send(owner, f"{page}/resume", follow_redirects=True))
    assert state(mainstem, run.id) == "running"
    assert "The sync is cancelled" in text(send(owner, f"{page}/cancel", follow_redirects=True))
    assert state(mainstem, run.id) == "cancelled"
    after = text(send(owner, f"{page}/cancel", follow_redirects=True))
    assert "no sync is at work" in after
    assert "Pause" not in after


def test_refused_records_are_asked_for_again(factory: Factory, owner: FlaskClient, mainstem: Mainstem):
    source = factory.source()
    assert "Retry" not in text(owner.get(f"/sources/{source.id}/health"))
    factory.refused(source, "no name")
    assert "Retry" in text(owner.get(f"/sources/{source.id}/health"))
    said = text(send(owner, f"/sources/{source.id}/retry", follow_redirects=True))
    assert "The records are being asked for again" in said
    jobs = Queue("chores", connection=redis_of(mainstem)).jobs
    assert [(job.func_name, job.args[0]) for job in jobs] == [("core.jobs.retry_refused", source.id)]


def test_only_who_manages_data_sources_does_so(app: Flask, factory: Factory, mainstem: Mainstem):
    source = factory.source()
    run = factory.run(source, "running")
    factory.refused(source, "no name")
    reader = log_in(app, factory.user("rea@example.com", "read_only").email)
    assert "Pause" not in text(reader.get(f"/sources/{source.id}"))
    assert "Retry" not in text(reader.get(f"/sources/{source.id}/health"))
    for key in ("pause", "resume", "cancel", "retry"):
        assert send(reader, f"/sources/{source.id}/{key}").status_code == 403
    assert state(mainstem, run.id) == "running"


def test_what_is_here_is_compared_with_what_is_there(factory: Factory, owner: FlaskClient):
    source = factory.source()
    assert "Completeness" not in text(owner.get(f"/sources/{source.id}/health"))
    counted = {"expected": 1200, "imported": 1190, "merged": 3, "skipped": 4, "refused": 1, "outside": 0, "missing": 5}
    silent = counted | {"expected": None, "missing": None}
    report = {
        "objects": {"contact": counted, "company": silent},
        "repaired": {"contact": {"created": 2, "updated": 0, "deleted": 1}},
    }
    factory.run(source, "succeeded", kind="reconciliation", report=report)
    page = text(owner.get(f"/sources/{source.id}/health"))
    assert "Missing Contacts 1,200 1,190 3 0 4 1 0 5 Companies not told" in page
    assert "no longer meet" not in page
    assert "Reconciliation #1" in page
    assert "Repaired: Contacts 2 created, 1 deleted" in page
    # Since then one has left the selection.
    factory.link(source, uuid4(), "contact", "7", left_at=datetime.now(UTC))
    page = text(owner.get(f"/sources/{source.id}/health"))
    assert "Contacts: 1 came in before and no longer meet your conditions; they stay" in page
