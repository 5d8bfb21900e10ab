"""Every answer of the sandbox against the vendor's published description, where it lies beside the checkout.

Where the description is known to be wrong, or live traffic differs, `LIVE` says so; everything else must fit.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.plugins.intercom.sandbox.conftest import Api

FILE = Path(__file__).parents[5] / "shared" / "intercom" / "openapi-2.16.yaml"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="openapi-2.16.yaml does not lie beside the checkout")

# (misfit, why the sandbox is right)
LIVE = (
    (r"conversation_parts\.\*\.id: \d+ is not of type 'string'", "examples have numbers where the schema has strings"),
    (r"^/conversations pages\.per_page: '\d+' is not of type 'integer'", "seen live on list conversations"),
    (r"^/companies/list pages\.next: 'https:.* is not of type 'object'", "a link, as in the documentation of paging"),
    (r"order: '\d+' is not of type 'integer'", "examples of collections have both"),
    (r"custom_attributes\.[^:]+: (\d+\.\d+|True|False) is not of type 'string'", "attributes have types of their own"),
    (r"email(_domain)?: None is not of type 'string'", "many leads have none"),
    (r" data\.\*\.company_id: None is not", "seen live: companies typed in on leads"),
    (r"job_title: None is not", "an admin need not have one"),
    (r"source\.subject: None is not", "seen live: outbound without a reply"),
    (r"conversation_rating\.(rating|remark): None is not", "asked for, not given"),
    (r"statistics\.\w+: None is not", "what did not happen has no time"),
)


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = _with_null(yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader))
    return document


def _with_null(node: Any) -> Any:
    """OpenAPI 3.0's `nullable: true` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_with_null(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_null(value) for key, value in node.items() if key not in ("nullable", "example", "examples")}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def misfits(description: dict[str, Any], method: str, path: str, body: Any) -> list[str]:
    pointer = path.replace("~", "~0").replace("/", "~1")
    schema = {
        "$ref": f"#/paths/{pointer}/{method}/responses/200/content/application~1json/schema",
        "paths": description["paths"],
        "components": description["components"],
    }
    return [found for error in jsonschema.Draft7Validator(_root(schema)).iter_errors(body) for found in _leaves(error)]


def _root(schema: dict[str, Any]) -> dict[str, Any]:
    """Draft 7 ignores what stands beside `$ref`, so the reference stands one level down."""
    return {"allOf": [{"$ref": schema["$ref"]}], "paths": schema["paths"], "components": schema["components"]}


def _leaves(error: Any, at: tuple[Any, ...] = ()) -> list[str]:
    here = (*at, *error.path)
    if error.context:
        best = min({one.schema_path[0] for one in error.context},
                   key=lambda branch: len([one for one in error.context if one.schema_path[0] == branch
                                           and one.validator == "type" and not one.path]))  # fmt: skip
        return [leaf for one in error.context if one.schema_path[0] == best for leaf in _leaves(one, here)]
    place = ".".join("*" if isinstance(step, int) else str(step) for step in here)
    return [f"{place}: {error.message[:150]}"]


def answers(api: Api) -> list[tuple[str, str, Any]]:
    """Every reading operation with an answer to it."""
    contacts = api.rows("/contacts", per_page=150)
    tagged = next(one for one in contacts if one["tags"]["has_more"])["id"]
    noted = next(one for one in contacts if one["notes"]["total_count"])["id"]
    user = next(one for one in contacts if one["role"] == "user" and one["external_id"])
    told = next(one for one in contacts if one["opted_out_subscription_types"]["data"])["id"]
    company = api.store.company_maker.id_of(7)
    conversations = api.rows("/conversations", "conversations", per_page=150)
    ticket = api.search("tickets", None)["tickets"][0]["id"]
    survivor = api.store.people.id_of(0)
    found: list[tuple[str, str, Any]] = [
        ("get", "/contacts", api.get("/contacts", per_page=150)),
        ("post", "/contacts/search", api.search("contacts", None, per_page=150)),
        ("get", "/contacts/{contact_id}", api.get(f"/contacts/{tagged}")),
        ("get", "/contacts/{contact_id}", api.get(f"/contacts/{survivor}", include_merge_history="true")),
        ("get", "/contacts/find_by_external_id/{external_id}",
         api.get(f"/contacts/find_by_external_id/{user['external_id']}")),
        ("get", "/contacts/{contact_id}/companies", api.get(f"/contacts/{user['id']}/companies")),
        ("get", "/contacts/{contact_id}/tags", api.get(f"/contacts/{tagged}/tags")),
        ("get", "/contacts/{contact_id}/segments", api.get(f"/contacts/{tagged}/segments")),
        ("get", "/contacts/{contact_id}/subscriptions", api.get(f"/contacts/{told}/subscriptions")),
        ("get", "/contacts/{contact_id}/notes", api.get(f"/contacts/{noted}/notes")),
        ("get", "/contacts/{id}/merge_history", api.get(f"/contacts/{survivor}/merge_history")),
        ("get", "/companies", api.get("/companies", per_page=60)),
        ("post", "/companies/list", api.post("/companies/list")),
        ("get", "/companies/scroll", api.get("/companies/scroll")),
        ("get", "/companies/{company_id}", api.get(f"/companies/{company}")),
        ("get", "/companies/{company_id}/contacts", api.get(f"/companies/{company}/contacts")),
        ("get", "/companies/{company_id}/segments", api.get(f"/companies/{company}/segments")),
        ("get", "/companies/{company_id}/notes", api.get(f"/companies/{company}/notes")),
        ("get", "/conversations", api.get("/conversations", per_page=150)),
        ("post", "/conversations/search", api.search("conversations", None, per_page=150)),
        ("get", "/conversations/deleted", api.get("/conversations/deleted")),
        ("get", "/conversations/attributes", api.get("/conversations/attributes", include_archived="true")),
        ("get", "/conversations/attributes/{id}", api.get("/conversations/attributes/2")),
        ("post", "/tickets/search", api.search("tickets", None, per_page=150)),
        ("get", "/tickets/{ticket_id}", api.get(f"/tickets/{ticket}")),
        ("get", "/ticket_types/{ticket_type_id}", api.get("/ticket_types/95")),
        ("get", "/admins/{admin_id}", api.get("/admins/7001")),
        ("get", "/teams/{team_id}", api.get("/teams/9001")),
        ("get", "/tags/{tag_id}", api.get("/tags/3")),
        ("get", "/segments/{segment_id}", api.get("/segments/5f000000000000000000a001")),
        ("get", "/data_attributes", api.get("/data_attributes", include_archived="true")),
        ("get", "/articles", api.get("/articles", per_page=50)),
        ("get", "/articles/{article_id}", api.get("/articles/4507")),
        ("get", "/help_center/collections/{collection_id}", api.get("/help_center/collections/172")),
        ("get", "/help_center/help_centers/{help_center_id}", api.get("/help_center/help_centers/84")),
    ]  # fmt: skip
    found += [
        ("get", "/conversations/{conversation_id}", api.get(f"/conversations/{one['id']}")) for one in conversations
    ]
    for path in ("/me", "/ticket_types", "/ticket_states", "/admins", "/teams", "/tags", "/segments",
                 "/subscription_types",
                 "/away_status_reasons", "/help_center/collections", "/help_center/help_centers"):  # fmt: skip
        found.append(("get", path, api.get(path)))
    return found


def test_every_answer_fits_the_description_but_where_live_traffic_differs(api: Api, description: dict[str, Any]):
    wrong: dict[str, str] = {}
    used: set[str] = set()
    for method, path, body in answers(api):
        for misfit in misfits(description, method, path, body):
            place = f"{path} {misfit}"
            known = next((pattern for pattern, _ in LIVE if re.search(pattern, place)), None)
            if known is None:
                wrong.setdefault(place.partition(":")[0], place)
            else:
                used.add(known)
    assert wrong == {}
    assert used == {pattern for pattern, _ in LIVE}, "a known difference is gone"


def test_a_wrong_answer_would_be_noticed(api: Api, description: dict[str, Any]):
    body = api.get("/contacts")
    assert misfits(description, "get", "/contacts", {**body, "total_count": "many"})
    body["data"][0]["created_at"] = "yesterday"
    assert any("created_at" in one for one in misfits(description, "get", "/contacts", body))
