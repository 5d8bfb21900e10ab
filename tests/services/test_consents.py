"""Who is sent to a vendor comes back once, in time, in the same browser and as the same admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from marshmallow import fields
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
from tests.services.conftest import CONFIG, open_mainstem, rows
from tests.services.vendor import Token, Vendor


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


def state_of(address: str) -> dict[str, str]:
    """The query with which the vendor sends the admin back, if it adds nothing."""
    return {"state": parse_qs(urlsplit(address).query)["state"][0]}


def test_the_vendors_address_gets_a_state_beside_what_it_has(mainstem: Mainstem, ann: Traveller, draft: int):
    address = begin(mainstem, "acme", Waiting(draft_id=draft), ann)
    assert address.startswith("https://acme.example/consent?back=http://127.0.0.1:8000/oauth/acme/callback&state=")
    assert ann.browser not in address
    assert accept(mainstem, "acme", {**state_of(address), "code": "42"}, ann) == (
        Waiting(draft_id=draft),
        {"code": "42"},
    )
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
    assert accept(mainstem, "acme", state, ann)[0].draft_id == draft


def test_another_user_does_not_take_it(mainstem: Mainstem, ann: Traveller, draft: int):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with pytest.raises(ConsentError, match="somebody else"):
        accept(mainstem, "acme", state, Traveller(ann.user_id + 1, ann.browser))


@pytest.mark.parametrize("spoil", [lambda s: "", lambda s: "x", lambda s: s[:-1], lambda s: f"A{s[1:]}"])
def test_a_state_that_is_not_ours_is_refused(mainstem: Mainstem, ann: Traveller, draft: int, spoil):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with pytest.raises(ConsentError, match="not asked for"):
        accept(mainstem, "acme", {"state": spoil(state["state"])}, ann)


def test_it_is_waited_for_ten_minutes(mainstem: Mainstem, ann: Traveller, draft: int):
    state = state_of(begin(mainstem, "acme", Waiting(draft_id=draft), ann))
    with writing(mainstem.engine) as connection:
        connection.execute(update(Consent).values(expires_at=now_utc() - timedelta(seconds=1)))
    with pytest.raises(ConsentError, match="too late") as late:
        accept(mainstem, "acme", state, ann)
    assert late.value.waiting == Waiting(draft_id=draft)


class AskingVendor(ConsentVendor):
    """Has a consent page for each shop."""

    def __init__(self) -> None:
        super().__init__()
        self.manifest = replace(self.manifest, credentials=ShopToken, consent_asks=("shop",))

    @hookimpl
    def connect(self, account: Account, answers: Mapping[str, str]) -> Connected | Redirect | Rejected:
        shop = answers.get("shop") or account.settings.get("shop")
        if not shop:
            return Rejected({"shop": "Name your shop"})
        if "code" not in answers:
            return Redirect(f"https://{shop}.acme.example/consent", keep={"shop": shop})
        return Connected("1", "Acme One", settings={"shop": shop}, secrets={"token": "sesame-2"})


class ShopToken(Token):
    shop = fields.String(metadata={"label": "Shop", "help": ""})


@pytest.fixture
def asking(sqlite_url: str, tmp_path: Path) -> Iterator[Mainstem]:
    mainstem = open_mainstem(sqlite_url, tmp_path, AskingVendor())
    yield mainstem
    mainstem.engine.dispose()


def test_what_is_asked_before_consent_comes_back_with_it(asking: Mainstem):
    assert offered(asking, "acme") == "both"
    ann = Traveller(add_user(asking, "ann@example.com", "owner")[0], "browser-1")
    draft = Waiting(draft_id=drafts.create(asking, "acme", {}, "ann"))
    with pytest.raises(Invalid, match="shop: Name your shop"):
        begin(asking, "acme", draft, ann, {"shop": ""})
    address = begin(asking, "acme", draft, ann, {"shop": "corner"})
    assert address.startswith("https://corner.acme.example/consent?state=")
    (row,) = rows(asking.engine, Consent)
    assert "corner" not in row["kept"]
    query = {**state_of(address), "code": "42", "shop": "evil"}
    assert accept(asking, "acme", query, ann) == (draft, {"code": "42", "shop": "corner"})


def test_consent_to_reconnect_asks_nothing_again(asking: Mainstem):
    ann = Traveller(add_user(asking, "ann@example.com", "owner")[0], "browser-1")
    draft = drafts.create(asking, "acme", {}, "ann")
    drafts.open_with_consent(asking, draft, {"code": "42", "shop": "corner"})
    source = drafts.finish(asking, draft, "ann")
    address = begin(asking, "acme", Waiting(source_id=source), ann)
    assert address.startswith("https://corner.acme.example/consent?state=")


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
        assert {row["id"] for row in drafts.list_drafts(connection, mainstem.host)} == {other, again}


def test_what_is_offered_follows_plugin_and_variables(mainstem: Mainstem):
    assert offered(mainstem, "acme") == "both"


def test_a_plugin_that_knows_no_consent_is_offered_without(sqlite_url: str, tmp_path):
    mainstem = open_mainstem(sqlite_url, tmp_path, Vendor())
    assert offered(mainstem, "acme") == "token"
    with pytest.raises(Invalid, match="Consent is not set up"):
        begin(mainstem, "acme", Waiting(draft_id=1), Traveller(1, "x"))
    mainstem.engine.dispose()
