"""A request that writes is noticed, whichever sandbox refuses it."""

from __future__ import annotations

import pytest

from plugins.intercom.sandbox import Sandbox, SandboxOptions
from plugins.intercom.sandbox.gate import Gate
from tests.support.writes import noting


def test_writes_are_noted_and_reads_are_not(monkeypatch: pytest.MonkeyPatch):
    # In place of the one that would fail this test.
    monkeypatch.undo()
    written: list[str] = []
    monkeypatch.setattr(Gate, "_refuse_writes", noting(Gate._refuse_writes, written))
    client = Sandbox(SandboxOptions(people=1)).app.test_client()
    client.get("/contacts")
    client.post("/contacts/search", json={})
    assert written == []
    assert client.post("/contacts", json={}).status_code == 403
    assert client.delete("/contacts/1").status_code == 403
    assert written == ["POST /contacts", "DELETE /contacts/1"]


def test_the_suite_notes_them_everywhere():
    assert hasattr(Gate._refuse_writes, "__wrapped__")
