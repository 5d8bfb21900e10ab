"""Something of everything that the admin shows."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.web.factories import NOW, Factory


def fill(factory: Factory) -> dict[str, str]:
    """Make something of everything, and return the address of every page that shows it."""
    source = factory.source(next_sync_at=NOW)
    tired = factory.source("Shop", "needs_attention", error="Front Desk refused this token")
    factory.source("Old", "archived", archived_at=NOW)
    factory.field(source, "note", "Note")
    fields = {
        "city": "Berlin",
        "desk.note": "Called twice about an invoice; wants to be called back in the morning.",
        "desk.vip": True,
        "desk.languages": ["de", "en"],
        "desk.site": "https://example.com/a/path/that/goes/on/and/on/and/on/without/any/place/to/break/it",
    }
    lineage = {"*": [source.id, "2026-11-01T10:00:00Z"], "email": [tired.id, "2026-11-03T10:00:00Z", "old@example.com"]}
    ann = factory.person(source, first_name="Ann", last_name="Lee", fields=fields, lineage=lineage)
    factory.person(source, first_name="Bob", last_name="Archived", archived_at=NOW)
    acme = factory.organization(source, name="Acme Rockets of the Northern Lands GmbH & Co. KG")
    factory.organization(source, name="Closed Shop", archived_at=NOW)
    factory.membership(ann, acme)
    factory.tagging(ann, "vip")
    factory.tagging(acme, "key account")
    factory.identity(ann, "email", "old@example.com")
    attributes = {"subject": "Invoice", "text": "Hello, the invoice that came this morning names our old address."}
    factory.activity(source, ann, "started", attributes=attributes, organization_id=acme.id)
    factory.activity(source, ann, "closed", occurred_at=datetime.now(UTC))
    run = factory.run(source, "partial", error="Articles: not allowed")
    factory.partition(run, counts={"contact": {"read": 12000, "created": 11990, "rejected": 10}})
    factory.partition(run, "article", "failed", error="add the scope «Read articles»", counts={})
    factory.refused(source, "email: 'x' is no email address", payload={"email": "x"})
    gone = factory.user("gone@example.com", "read_only", name="", state="revoked")
    return {
        "sources": "/sources/",
        "source": f"/sources/{source.id}",
        "health": f"/sources/{source.id}/health",
        "attention": f"/sources/{tired.id}",
        "ask": f"/sources/{source.id}/disconnect",
        "people": "/people/?state=all",
        "nobody": "/people/?q=nobody",
        "person": f"/people/{ann.id}",
        "organizations": "/organizations/",
        "organization": f"/organizations/{acme.id}",
        "plugins": "/plugins/",
        "users": "/users/",
        "home": "/",
        "user": f"/users/{gone.id}",
    }
