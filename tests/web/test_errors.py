from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text as sql

from core.db.engine import writing
from core.services import staff
from core.services.mainstem import Mainstem
from core.web import errors
from tests.web.factories import Factory
from tests.web.helpers import log_in, send, text


@pytest.mark.parametrize("status", [403, 404, 409])
def test_an_error_says_in_the_layout_what_to_do_next(
    factory: Factory, owner: FlaskClient, reader: FlaskClient, status: int
):
    source = factory.source()
    client, path = {
        403: (reader, f"/sources/{source.id}/disconnect"),
        404: (owner, "/nowhere"),
        409: (owner, f"/sources/{source.id}/restore"),
    }[status]
    response = client.get(path)
    assert response.status_code == status
    assert errors.TITLES[status] in text(response)
    assert errors.ADVICE[status] in text(response)
    assert 'aria-label="Main"' in response.get_data(as_text=True)


def test_an_unknown_page_shows_no_menu_to_whoever_is_not_logged_in(anonymous: FlaskClient):
    response = anonymous.get("/nowhere")
    assert response.status_code == 404
    assert 'aria-label="Main"' not in response.get_data(as_text=True)


def test_a_bug_is_logged_and_its_details_are_kept_from_the_page(
    app: Flask, owner: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*given: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(staff, "page", fail)
    with caplog.at_level(logging.ERROR):
        response = owner.get("/users/")
    assert response.status_code == 500
    assert "Something went wrong on our side" in text(response)
    assert "secret detail" not in response.get_data(as_text=True)
    assert "secret detail" in caplog.text
    assert "GET /users/" in caplog.text


def test_a_database_that_fails_says_so_without_asking_it_again(mainstem: Mainstem, app: Flask, factory: Factory):
    client = log_in(app, factory.user().email)
    with writing(mainstem.engine) as connection:
        connection.execute(sql('drop table "team_member"'))
        connection.execute(sql('drop table "user"'))
    response = client.get("/people/")
    assert response.status_code == 503
    assert "mainstem doctor" in text(response)


def test_what_is_no_text_to_a_database_is_refused(factory: Factory, owner: FlaskClient):
    for response in (owner.get("/people/", query_string={"q": "a\0"}), send(owner, "/teams/", {"name": "a\0"})):
        assert response.status_code == 400
        assert errors.TITLES[400] in text(response)


HUGE = 99_999_999_999_999_999_999


def test_numbers_that_no_column_takes_lead_to_no_page_and_narrow_nothing(factory: Factory, owner: FlaskClient):
    source = factory.source().id
    for path in ("/sources", "/users", "/teams", "/setup"):
        for number in (2**31, HUGE):
            assert owner.get(f"{path}/{number}").status_code == 404
    assert owner.get(f"/people/?source={2**31 - 1}").status_code == 404
    health = f"/sources/{source}/health"
    for path in (
        "/users/?team",
        "/audit/?before",
        "/outbox/?before",
        f"{health}?before",
        f"{health}?skip",
        "/people/?source",
    ):
        for number in (2**31, -HUGE, HUGE):
            assert owner.get(f"{path}={number}").status_code == 200
