from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from core.app import create_app
from core.services.paging import mark
from tests.web.factories import NOW, Factory, installation
from tests.web.helpers import log_in, send, text


def test_every_page_works_on_both_databases(database_url: str, valkey_url: str, tmp_path: Path):
    mainstem = installation(database_url, str(tmp_path / "instance"), REDIS_URL=valkey_url)
    factory = Factory(mainstem.engine)
    source = factory.source()
    person, organization = factory.person(source, first_name="Ann"), factory.organization(source, name="Acme")
    factory.membership(person, organization)
    factory.tagging(person, "vip")
    factory.activity(source, person, organization_id=organization.id)
    factory.partition(factory.run(source), counts={"contact": {"read": 1, "created": 1}})
    factory.refused(source, "no email")
    older = mark("after", (NOW + timedelta(days=10), UUID(int=0)))
    client = log_in(create_app(mainstem), factory.user().email)
    for path, shown in [
        ("/sources/", "Desk of Acme 1 1 1 0 Connected"),
        ("/sources/?q=front+ACME&state=connected", "Desk of Acme 1 1 1 0 Connected"),
        (f"/sources/?page={mark('after', (False, 0))}", "Desk of Acme 1 1 1 0 Connected"),
        ("/users/?q=OLGA+example&role=owner&state=active", "Olga Ivanova"),
        (f"/users/?page={mark('after', (False, 'a', '', 0))}", "Olga Ivanova you"),
        (f"/sources/{source.id}", "Records read 1"),
        (f"/sources/{source.id}/progress", "Succeeded"),
        (f"/sources/{source.id}/health", "no email"),
        (f"/people/?q=ann&organization={organization.id}&source={source.id}&page={older}", "Ann"),
        (f"/people/{person.id}?page={older}", "Conversation started"),
        (f"/organizations/?q=acme&page={older}", "Acme"),
        (f"/organizations/{organization.id}?page={older}", "Conversation started"),
        ("/users/", "Olga Ivanova"),
        ("/plugins/", "Front Desk"),
        ("/readyz", '"ok":true'),
    ]:
        response = client.get(path)
        assert response.status_code == 200, path
        assert shown in text(response), path
    assert "The sync has started" in text(send(client, f"/sources/{source.id}/sync", follow_redirects=True))
    mainstem.engine.dispose()
