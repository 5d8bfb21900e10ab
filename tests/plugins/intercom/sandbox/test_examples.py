from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.intercom.sandbox.conftest import Api, make

PUBLISHED = Path(__file__).parents[5] / "shared" / "intercom" / "examples"


def write(folder: Path, name: str, method: str, path: str, value: Any, status: int = 200) -> None:
    document = {"method": method, "path": path, "responses": [{"status": status, "name": "ok", "value": value}]}
    (folder / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def api(tmp_path: Path) -> Api:
    contact = {"type": "contact", "id": "c1", "email": "joe@bloggs.example"}
    empty = {"type": "list", "data": [], "total_count": 0, "pages": {"type": "pages", "page": 1, "total_pages": 0}}
    write(tmp_path, "ShowContact", "GET", "/contacts/{contact_id}", contact)
    write(tmp_path, "ListContacts", "GET", "/contacts", empty)
    write(tmp_path, "SearchContacts", "POST", "/contacts/search", empty)
    write(tmp_path, "CreateContact", "POST", "/contacts", contact)
    write(
        tmp_path, "scrollOverAllCompanies", "GET", "/companies/scroll", {"data": [{"id": "co1"}], "scroll_param": "p"}
    )
    write(
        tmp_path, "listDeleted", "GET", "/conversations/deleted", {"conversations": [], "pages": {"next": "https://x"}}
    )
    write(tmp_path, "listAway", "GET", "/away_status_reasons", {"errors": []}, status=401)
    return make(people=2, examples=tmp_path)


def test_published_objects_answer_and_carry_the_id_asked_for(api: Api):
    assert api.get("/contacts/c9") == {"type": "contact", "id": "c9", "email": "joe@bloggs.example"}


def test_empty_lists_are_filled_with_the_published_objects(api: Api):
    assert [one["id"] for one in api.get("/contacts")["data"]] == ["c1"]
    query: Any = {"operator": "AND", "value": [{"field": "id", "operator": "IN", "value": ["a", "b"]}]}
    assert [one["id"] for one in api.post("/contacts/search", {"query": query})["data"]] == ["a", "b"]
    query = {"field": "updated_at", "operator": ">", "value": 5}
    assert [one["id"] for one in api.post("/contacts/search", {"query": query})["data"]] == ["c1"]


def test_lists_end(api: Api):
    param = api.get("/companies/scroll")["scroll_param"]
    assert api.get("/companies/scroll", scroll_param=param)["data"] == []
    assert api.get("/conversations/deleted")["pages"]["next"] is None


def test_without_an_example_the_generated_answer_stands_and_writes_stay_refused(api: Api):
    assert api.get("/away_status_reasons")["data"]
    assert api.get("/me")["type"] == "admin"
    assert api.refused("POST", "/contacts", json={})[0] == 403
    assert api.client.get("/contacts").status_code == 401


def test_a_folder_without_examples_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no example files"):
        make(people=1, examples=tmp_path)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the vendor's examples do not lie beside the checkout")
def test_all_published_reading_examples_can_be_asked_for():
    api = make(people=2, examples=PUBLISHED)
    asked = 0
    for file in sorted(PUBLISHED.glob("*.json")):
        document = json.loads(file.read_text())
        value = next((one["value"] for one in document["responses"] if str(one["status"]) == "200"), None)
        if document["method"] != "GET" or value is None or file.stem in ("ListContacts",):
            continue
        path = document["path"].replace("{", "").replace("}", "")
        body = api.ask("GET", path).json
        assert isinstance(body, type(value)), file.stem
        assert set(body) == set(value), file.stem
        asked += 1
    assert asked > 60
