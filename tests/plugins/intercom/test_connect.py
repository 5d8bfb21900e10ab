from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from core.contract.types import Connected, Redirect, Rejected
from plugins.intercom import plugin
from tests.plugins.intercom.support import URL, error_list, mocked, source

ME = {
    "type": "admin",
    "id": "7001",
    "app": {"type": "app", "id_code": "wk9demo1", "name": "Demo", "timezone": "Europe/Berlin", "region": "EU"},
}


def test_a_token_opens_its_workspace(workspace):
    connected = workspace.connected
    assert connected.remote_id == workspace.store.plan.workspace
    assert connected.settings == {"region": "EU", "timezone": "Europe/Berlin"}
    assert connected.secrets == workspace.sandbox.credentials
    assert connected.secrets["access_token"] not in repr(connected)


def test_a_wrong_token(workspace):
    outcome = source.connect(account=workspace.draft, answers={"access_token": "wrong"})
    assert outcome == Rejected({"access_token": "Intercom refused this access token"})


def test_a_token_is_pasted_with_space_around():
    mocker, account = mocked(secrets={})
    mocker.get(f"{URL}/me", json=ME)
    assert source.connect(account=account, answers={"access_token": " tok \n"}).secrets == {"access_token": "tok"}


def test_a_token_that_may_nothing():
    mocker, account = mocked(secrets={})
    mocker.get(f"{URL}/me", status_code=403, json=error_list("forbidden", "App suspended"))
    outcome = source.connect(account=account, answers={"access_token": "t"})
    assert "App suspended" in outcome.errors["access_token"]


def test_a_token_without_a_workspace():
    mocker, account = mocked(secrets={})
    mocker.get(f"{URL}/me", json={"type": "admin", "app": None})
    assert "which workspace" in source.connect(account=account, answers={"access_token": "t"}).errors["access_token"]


def test_a_workspace_without_a_name_is_called_by_its_id():
    mocker, account = mocked(secrets={})
    mocker.get(f"{URL}/me", json={"app": {"id_code": "wk1"}})
    assert source.connect(account=account, answers={"access_token": "t"}) == Connected(
        "wk1", "wk1", {"region": None, "timezone": None}, {"access_token": "t"}
    )


def consent(workspace):
    redirect = source.connect(account=workspace.draft, answers={})
    assert isinstance(redirect, Redirect)
    return redirect.url


def code_of(workspace):
    """Consent at the sandbox, as an admin's browser does."""
    url = urlsplit(consent(workspace))
    query = {key: values[0] for key, values in parse_qs(url.query).items()} | {"state": "s1"}
    client = workspace.sandbox.app.test_client()
    answer = client.get(f"{url.path}/authorize", query_string=query)
    return {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_consent_asks_at_intercom_without_scopes(workspace):
    url = urlsplit(consent(workspace))
    query = parse_qs(url.query)
    assert (url.netloc, url.path) == ("sandbox.test", "/oauth")
    assert query["client_id"] == ["sandbox-client"]
    assert query["redirect_uri"] == [workspace.draft.redirect_uri]
    assert not {"state", "scope"} & query.keys()


def test_consent_opens_the_workspace_and_a_code_works_once(workspace):
    answers = code_of(workspace)
    connected = source.connect(account=workspace.draft, answers=answers)
    assert connected.remote_id == workspace.connected.remote_id
    again = source.connect(account=workspace.draft, answers=answers)
    assert "connect again" in again.errors[""]


def test_consent_refused(workspace):
    outcome = source.connect(account=workspace.draft, answers={"error": "access_denied", "state": "s"})
    assert "allow the access" in outcome.errors[""]


def test_a_wrong_client_secret(workspace):
    answers = code_of(workspace)
    environment = {**workspace.draft.environment, "INTERCOM_CLIENT_SECRET": "wrong"}
    outcome = source.connect(account=replace(workspace.draft, environment=environment), answers=answers)
    assert "the app's secret is wrong" in outcome.errors[""]


@pytest.mark.parametrize("missing", ["INTERCOM_CLIENT_ID", "INTERCOM_CLIENT_SECRET"])
def test_consent_needs_the_app(workspace, missing):
    environment = {name: value for name, value in workspace.draft.environment.items() if name != missing}
    outcome = source.connect(account=replace(workspace.draft, environment=environment), answers={})
    assert "INTERCOM_CLIENT_ID and INTERCOM_CLIENT_SECRET" in outcome.errors["access_token"]


def test_the_manifest_tells_what_the_plugin_is():
    manifest = plugin.manifest
    assert {spec.key: spec.kind for spec in manifest.objects} == {
        "contact": "person",
        "company": "organization",
        "conversation": "activity",
        "ticket": "activity",
        "article": "article",
        "collection": "collection",
    }
    assert {stream.object for stream in plugin.streams} == {spec.key for spec in manifest.objects}
    assert manifest.credentials().fields["access_token"].metadata["secret"]
    assert source.merge(account=None, object="contact").keys == ("email", "external_id")
    assert source.merge(account=None, object="company").keys == ()
