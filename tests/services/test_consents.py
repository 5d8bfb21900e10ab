"""Who is sent to a vendor comes back once, in time, in the same browser and as the same admin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update

from core.contract.hookspecs import hookimpl
from core.contract.types import Account, Connected, Redirect, Rejected
from core.db.engine import writing
from core.db.models import Consent, DataSource
from core.services import drafts
from core.services.connecting import connect, reconnect
from core.services.consents import ConsentError, Traveller, Waiting, accept, begin, offered
from core.services.errors import Invalid
from core.services.mainstem import Mainstem
from core.services.sources import now_utc
from core.services.users import add_user
from tests.services.conftest import CONFIG, rows
from tests.services.vendor import Vendor


class ConsentVendor(Vendor):
    """Also lets an admin consent: the codes it gave out open an account once."""

    def __init__(self) -> None:
        super().__init__(auth="oauth_or_token")
        self.codes = {"42"}

    @hookimpl
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        if not answers:
            return Redirect(f"https://acme.example/consent?back={account.redirect_uri}")
        if "code" not in answers:
            return super().connect(account, answers) if "token" in answers else Rejected({"": "Acme gave no consent"})
        if answers["code"] not in self.codes:
            return Rejected({"": "Acme refused the consent"})
        self.codes.remove(answers["code"])
        return Connected("1", "Acme One", secrets={"token": "sesame-2"})


@pytest.fixture
def vendor() -> Vendor:
    return ConsentVendor()


@pytest.fixture
def ann(mainstem: Mainstem) -> Traveller:
    return Traveller(add_user(mainstem, "ann@example.com", "owner")[0], "browser-1")


@pytest.fixture
def draft(mainstem: Mainstem) -> int:
    return drafts.create(mainstem, "acme", {}, "ann")


def state_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["state"][0]


def test_the_vendors_address_gets_a_state_beside_what_it_has(mainstem: Mainstem, ann: Traveller, draft: int):
    address = begin(mainstem, "acme", Waiting(draft_id=draft), ann)
    assert address.startswith("https://acme.example/consent?back=http://127.0.0.1:8000/oauth/acme/callback&state=")
    assert ann.browser not in address
    assert accept(mainstem, "acme", state_of(address), ann) == Waiting(draft_id=draft)
    assert rows(mainstem.engine, Consent) == []


def test_a_state_is_taken_once(mainstem: Mainstem, ann: Traveller, draft: int):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    accept(mainstem, "acme", state, ann)
    with pytest.raises(ConsentError, match="used before"):
        accept(mainstem, "acme", state, ann)


@pytest.mark.parametrize("other", ["browser-2", ""])
def test_another_browser_does_not_take_it_nor_use_it_up(mainstem: Mainstem, ann: Traveller, draft: int, other: str):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with pytest.raises(ConsentError, match="another browser"):
        accept(mainstem, "acme", state, Traveller(ann.user_id, other))
    with pytest.raises(ConsentError, match="another browser"):
        accept(mainstem, "shop", state, ann)
    assert accept(mainstem, "acme", state, ann).draft_id == draft


def test_another_user_does_not_take_it(mainstem: Mainstem, ann: Traveller, draft: int):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with pytest.raises(ConsentError, match="somebody else"):
        accept(mainstem, "acme", state, Traveller(ann.user_id + 1, ann.browser))


@pytest.mark.parametrize("spoil", [lambda s: "", lambda s: "x", lambda s: s[:-1], lambda s: f"A{s[1:]}"])
def test_a_state_that_is_not_ours_is_refused(mainstem: Mainstem, ann: Traveller, draft: int, spoil):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with pytest.raises(ConsentError, match="not asked for"):
        accept(mainstem, "acme", spoil(state), ann)


def test_it_is_waited_for_ten_minutes(mainstem: Mainstem, ann: Traveller, draft: int):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with writing(mainstem.engine) as connection:
        connection.execute(update(Consent).values(expires_at=now_utc() - timedelta(seconds=1)))
    with pytest.raises(ConsentError, match="too late") as late:
        accept(mainstem, "acme", state, ann)
    assert late.value.waiting == Waiting(draft_id=draft)


def test_consent_opens_a_draft(mainstem: Mainstem, draft: int):
    with pytest.raises(Invalid, match="gave no consent"):
        drafts.open_with_consent(mainstem, draft, {"error": "denied"})
    with pytest.raises(Invalid, match="refused the consent"):
        drafts.open_with_consent(mainstem, draft, {"code": "41"})
    drafts.open_with_consent(mainstem, draft, {"code": "42"})
    with mainstem.engine.connect() as connection:
        row = drafts.get_draft(connection, draft)
    assert mainstem.vault.open(row["secrets"]) == {"token": "sesame-2"}


def test_consent_reconnects_a_data_source(mainstem: Mainstem):
    source = connect(mainstem, "acme", CONFIG, "ann")
    reconnect(mainstem, source, "ann", consent={"code": "42"})
    (row,) = rows(mainstem.engine, DataSource)
    assert mainstem.vault.open(row["secrets"]) == {"token": "sesame-2"}


def test_an_unopened_draft_of_the_same_admin_is_replaced(mainstem: Mainstem, draft: int):
    other = drafts.create(mainstem, "acme", {"retention": {"days": 30}}, "bob")
    again = drafts.create(mainstem, "acme", {}, "ann")
    with mainstem.engine.connect() as connection:
        assert {row["id"] for row in drafts.list_drafts(connection)} == {other, again}


def test_what_is_offered_follows_plugin_and_variables(mainstem: Mainstem):
    assert offered(mainstem, "acme") == "both"


def test_a_plugin_that_knows_no_consent_is_offered_without(sqlite_url: str, tmp_path):
    from tests.services.conftest import open_mainstem

    mainstem = open_mainstem(sqlite_url, tmp_path, Vendor())
    assert offered(mainstem, "acme") == "token"
    with pytest.raises(Invalid, match="Consent is not set up"):
        begin(mainstem, "acme", Waiting(draft_id=1), Traveller(1, "x"))
    mainstem.engine.dispose()
