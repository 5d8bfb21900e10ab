from __future__ import annotations

import pytest

from tests.plugins.intercom.sandbox.conftest import Api


def test_me_names_the_workspace(api: Api):
    me = api.get("/me")
    assert me["email_verified"] is True
    assert me["app"] == {
        "type": "app", "id_code": api.store.plan.workspace, "name": "Mainstem demo", "created_at": api.store.plan.born,
        "secure": False, "identity_verification": False, "timezone": "Europe/Berlin", "region": "EU",
    }  # fmt: skip
    assert len(me["app"]["id_code"]) == 8


def test_admins_and_teams_agree(api: Api):
    admins = {int(admin["id"]): admin for admin in api.get("/admins")["admins"]}
    teams = {int(team["id"]): team for team in api.get("/teams")["teams"]}
    for admin_id, admin in admins.items():
        assert {team_id for team_id, team in teams.items() if admin_id in team["admin_ids"]} == set(admin["team_ids"])
    assert any(len(admin["team_ids"]) == 2 for admin in admins.values())
    assert any(not admin["team_ids"] for admin in admins.values())
    assert any(not team["admin_ids"] for team in teams.values())
    assert api.get("/admins/7002")["name"] == "Tomás Ribeiro"
    assert api.get("/teams/9002")["admin_ids"] == [7003, 7004]
    assert api.refused("GET", "/admins/1")[1] == "admin_not_found"
    assert api.refused("GET", "/teams/1")[1] == "team_not_found"


def test_admins_come_and_go(small: Api):
    admin = small.store.add_admin("Ida Novak", "ida@x.example", [9004])
    assert small.get("/teams/9004")["admin_ids"] == [int(admin)]
    small.store.remove_admin(admin)
    assert small.refused("GET", f"/admins/{admin}")[0] == 404
    assert small.refused("POST", "/_sandbox/remove_admin", json={"admin_id": admin})[0] == 404


def test_data_attributes(api: Api):
    contact = api.get("/data_attributes", model="contact", include_archived="true")["data"]
    assert {row["model"] for row in contact} == {"contact"}
    assert any(row["archived"] for row in contact)
    names = {row["full_name"] for row in contact}
    assert "custom_attributes.plan" in names
    assert all(("id" in row) is row["custom"] for row in contact)
    assert len(api.get("/data_attributes")["data"]) > len(api.get("/data_attributes", model="company")["data"])
    used = {
        f"custom_attributes.{name}" for one in api.rows("/contacts", per_page=150) for name in one["custom_attributes"]
    }
    assert used <= names
    status, code, _ = api.refused("GET", "/data_attributes", query_string={"model": "conversation"})
    assert (status, code) == (422, "parameter_invalid")


@pytest.mark.parametrize("path", ["/tags", "/subscription_types", "/away_status_reasons", "/help_center/help_centers"])
def test_small_lists_have_no_pages(api: Api, path: str):
    body = api.get(path)
    assert set(body) == {"type", "data"}
    assert body["data"]


def test_tags_and_segments_by_id(small: Api):
    assert small.get("/tags/2")["name"] == "beta tester"
    assert small.refused("GET", "/tags/999")[1] == "not_found"
    tag = small.store.create_tag("fresh")
    assert small.get(f"/tags/{tag}")["name"] == "fresh"
    segment = small.get("/segments")["segments"][0]
    assert small.get(f"/segments/{segment['id']}") == segment
    assert small.refused("GET", "/segments/none")[0] == 404


def test_articles_come_newest_first_by_page_numbers(api: Api):
    first, second = api.get("/articles", per_page=12), api.get("/articles", per_page=12, page=2)
    rows = first["data"] + second["data"]
    assert (first["pages"]["total_pages"], first["total_count"], len(rows)) == (2, 20, 20)
    assert "next" not in first["pages"]
    times = [row["updated_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row["state"] for row in rows} == {"draft", "published"}
    assert any("<img" in row["body"] for row in rows)
    translated = next(row for row in rows if "translated_content" in row)
    assert {"en", "fr"} <= set(translated["translated_content"])
    assert "statistics" not in translated
    assert api.get(f"/articles/{translated['id']}")["statistics"]["views"] >= 0
    collections = {int(row["id"]): row for row in api.get("/help_center/collections")["data"]}
    assert {parent for row in rows for parent in row["parent_ids"]} <= set(collections)
    parents = {row["parent_id"] for row in collections.values()}
    assert any(collections[int(parent)]["parent_id"] for parent in parents if parent), "three levels"
    assert {type(row["order"]) for row in collections.values()} == {int, str}
    assert api.get("/help_center/collections/171")["name"] == "Billing"
    assert api.get("/help_center/help_centers/84")["id"] == "84"


def test_articles_before_2_16_name_their_parent(api: Api):
    article = next(row for row in api.get("/articles")["data"] if row["parent_ids"])
    old = api.ask("GET", f"/articles/{article['id']}", headers={"Intercom-Version": "2.15"}).json
    assert old is not None
    assert (old["parent_id"], old["parent_type"]) == (article["parent_ids"][0], "collection")


def test_the_life_of_an_article(small: Api):
    article = small.store.create_article("Fresh", "<p>Hello</p>", state="draft")
    small.store.update_article(article, state="published", title="Fresher")
    assert small.get("/articles")["data"][0]["title"] == "Fresher"
    small.store.delete_article(article)
    assert small.refused("GET", f"/articles/{article}")[0] == 404
    assert small.refused("POST", "/_sandbox/update_article", json={"article_id": "4500", "shoe": 1})[0] == 400


def test_unknown_paths_answer_in_the_envelope(api: Api):
    assert api.refused("GET", "/nothing/here")[:2] == (404, "not_found")
