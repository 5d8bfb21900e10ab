"""Users are invited and managed (R30, R31), and so are teams (R32)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.contract.types import Roster, TeamUser
from core.contract.types import Team as TeamOfVendor
from core.db.engine import writing
from core.db.models import AuditEntry, Mail, Team, User
from core.services import home, invitations, mail, staff, teams, users
from core.services.configuration import read_config
from core.services.errors import Conflict, Invalid, NotFound
from core.services.mainstem import Mainstem
from core.services.rosters import store_roster
from core.services.sources import now_utc
from core.services.staff import Query
from tests.web.factories import Desk, Factory

OLGA = "olga@example.com"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PASSWORD = "a long password"


@pytest.fixture
def owner(factory: Factory) -> User:
    return factory.user(OLGA)


def user(mainstem: Mainstem, id: int) -> User:
    with Session(mainstem.engine) as session:
        return session.get_one(User, id)


def links(mainstem: Mainstem, email: str) -> list[str]:
    """The tokens of the invitations to this address that wait in the outbox."""
    with Session(mainstem.engine) as session:
        letters, _ = mail.outbox(session, mainstem, "pending")
    bodies = [letter.body for letter in letters if letter.mail.recipient == email]
    return [found[1] for body in bodies if (found := re.search(r"/accept/(\S+)", body))]


def invite(mainstem: Mainstem, email: str = "ann@example.com", role: str = "standard") -> int:
    (id,) = invitations.invite(mainstem, email, role, False, [], OLGA)
    return id


def sync(mainstem: Mainstem, source: int, *people: TeamUser, teams: tuple[TeamOfVendor, ...] = ()) -> None:
    config, _ = read_config({}, Desk.manifest)
    with writing(mainstem.engine) as connection:
        store_roster(connection, source, Roster(users=people, teams=teams), config, now_utc())
        invitations.invite_imported(mainstem, connection)


# Invitations


def test_several_are_invited_at_once_and_each_gets_a_link_of_her_own(mainstem: Mainstem, owner: User):
    ids = invitations.invite(
        mainstem, " Ann@example.com, bob@example.com\ncid@example.com;ann@example.com", "agent", True, [], OLGA
    )
    assert [user(mainstem, id).email for id in ids] == ["ann@example.com", "bob@example.com", "cid@example.com"]
    assert {user(mainstem, id).state for id in ids} == {"invited"}
    (token,) = links(mainstem, "bob@example.com")
    accepted = invitations.accept(mainstem, token, " Bob ", PASSWORD)
    assert (accepted.id, accepted.name, accepted.state, accepted.agent) == (ids[1], "Bob", "active", True)
    assert users.authenticate(mainstem, "bob@example.com", PASSWORD) is not None


@pytest.mark.parametrize(
    ("emails", "role", "key"), [("ann", "admin", "emails"), ("", "admin", "emails"), ("a@b.example", "owner", "role")]
)
def test_what_is_wrong_is_told_and_nobody_is_invited(mainstem: Mainstem, emails: str, role: str, key: str):
    with pytest.raises(Invalid) as caught:
        invitations.invite(mainstem, emails, role, False, [], OLGA)
    assert list(caught.value.errors) == [key]
    with Session(mainstem.engine) as session:
        assert session.scalars(select(Mail)).all() == []


def test_if_one_is_here_already_nobody_is_invited(mainstem: Mainstem, owner: User):
    with pytest.raises(Conflict, match=OLGA):
        invitations.invite(mainstem, f"new@example.com {OLGA}", "admin", False, [], OLGA)
    with Session(mainstem.engine) as session:
        assert len(staff.everybody(session)) == 1


def test_a_link_works_once_for_a_week_and_until_another_is_sent(mainstem: Mainstem, owner: User):
    with time_machine.travel(NOON, tick=False) as clock:
        id = invite(mainstem)
        (first,) = links(mainstem, "ann@example.com")
        clock.shift(timedelta(minutes=1))
        invitations.resend(mainstem, id, OLGA)
        (second,) = links(mainstem, "ann@example.com")
        clock.shift(timedelta(days=7, seconds=2))
        for worthless in (first, second, second + "x", "forged"):
            with pytest.raises(NotFound, match="no longer valid"):
                invitations.accept(mainstem, worthless, "", PASSWORD)
        clock.shift(timedelta(days=-1))
        with pytest.raises(NotFound):
            invitations.accept(mainstem, first, "", PASSWORD)
        with pytest.raises(Invalid):
            invitations.accept(mainstem, second, "", "short")
        invitations.accept(mainstem, second, "", PASSWORD)
        with pytest.raises(NotFound):
            invitations.accept(mainstem, second, "", "another password")
    assert links(mainstem, "ann@example.com") == []


@pytest.mark.parametrize("withdraw", [staff.revoke, staff.delete])
def test_a_withdrawn_invitation_is_worth_nothing_and_is_not_sent(mainstem: Mainstem, owner: User, withdraw: object):
    id = invite(mainstem)
    (token,) = links(mainstem, "ann@example.com")
    withdraw(mainstem, id, OLGA)  # type: ignore[operator]
    assert links(mainstem, "ann@example.com") == []
    with pytest.raises(NotFound):
        invitations.accept(mainstem, token, "", PASSWORD)


def test_until_acceptance_role_and_access_stay(mainstem: Mainstem, owner: User):
    id = invite(mainstem)
    with pytest.raises(Conflict, match="once the invitation is accepted"):
        staff.change(mainstem, id, "admin", True, OLGA)
    invitations.accept(mainstem, links(mainstem, "ann@example.com")[0], "", PASSWORD)
    staff.change(mainstem, id, "admin", True, OLGA)
    assert (user(mainstem, id).role, user(mainstem, id).agent) == ("admin", True)
    with pytest.raises(Conflict):
        invitations.resend(mainstem, id, OLGA)


def test_whom_a_sync_imports_is_invited_once(mainstem: Mainstem, factory: Factory, owner: User):
    source = factory.source().id
    people = (TeamUser("1", "ann@example.com", "Ann"), TeamUser("2", OLGA, "Olga"))
    sync(mainstem, source, *people)
    sync(mainstem, source, *people)
    assert len(links(mainstem, "ann@example.com")) == 1
    assert links(mainstem, OLGA) == []
    accepted = invitations.accept(mainstem, links(mainstem, "ann@example.com")[0], "", PASSWORD)
    assert accepted.name == "Ann"


def test_a_deleted_import_does_not_come_back_by_a_sync_but_can_be_invited(mainstem: Mainstem, factory: Factory):
    source = factory.source().id
    ann = TeamUser("1", "ann@example.com", "Ann")
    sync(mainstem, source, ann)
    with Session(mainstem.engine) as session:
        (member,) = staff.page(session, Query()).items
    staff.delete(mainstem, member.user.id, OLGA)
    sync(mainstem, source, ann)
    with Session(mainstem.engine) as session:
        assert staff.everybody(session) == []
        with pytest.raises(NotFound):
            staff.get(session, member.user.id)
    assert links(mainstem, "ann@example.com") == []
    assert invite(mainstem) == member.user.id
    assert len(links(mainstem, "ann@example.com")) == 1


# Access


def test_revoked_and_reactivated(mainstem: Mainstem, factory: Factory, owner: User):
    ann = factory.user("ann@example.com", "agent")
    staff.revoke(mainstem, ann.id, OLGA)
    assert user(mainstem, ann.id).state == "revoked"
    with pytest.raises(Conflict):
        staff.revoke(mainstem, ann.id, OLGA)
    staff.reactivate(mainstem, ann.id, OLGA)
    assert user(mainstem, ann.id).state == "active"
    with pytest.raises(Conflict, match="revoke their access first"):
        staff.delete(mainstem, ann.id, OLGA)


def test_whoever_never_had_a_password_is_invited_when_reactivated(mainstem: Mainstem, owner: User):
    id = invite(mainstem)
    staff.revoke(mainstem, id, OLGA)
    staff.reactivate(mainstem, id, OLGA)
    assert user(mainstem, id).state == "invited"
    assert len(links(mainstem, "ann@example.com")) == 1


def test_nobody_changes_the_owner_or_herself(mainstem: Mainstem, factory: Factory, owner: User):
    admin = factory.user("ann@example.com", "admin")
    for deed in (staff.revoke, staff.delete):
        with pytest.raises(Conflict, match="owner"):
            deed(mainstem, owner.id, "ann@example.com")
    with pytest.raises(Conflict, match="owner"):
        staff.change(mainstem, owner.id, "agent", False, "ann@example.com")
    with pytest.raises(Conflict, match="their own access"):
        staff.change(mainstem, admin.id, "agent", False, "ann@example.com")
    with pytest.raises(Conflict, match="their own access"):
        staff.revoke(mainstem, admin.id, "ann@example.com")
    with pytest.raises(Invalid):
        staff.change(mainstem, admin.id, "owner", False, OLGA)
    with pytest.raises(Conflict, match="one only"):
        users.add_user(mainstem, "second@example.com", "owner")


def owners(mainstem: Mainstem) -> list[str]:
    with Session(mainstem.engine) as session:
        return list(session.scalars(select(User.email).where(User.role == "owner")))


def test_ownership_goes_over_and_only_by_the_owner(mainstem: Mainstem, factory: Factory, owner: User):
    ann, bob = factory.user("ann@example.com", "agent"), factory.user("bob@example.com", "admin", state="revoked")
    for receiver, giver in ((ann.id, "bob@example.com"), (bob.id, OLGA), (owner.id, OLGA)):
        with pytest.raises(Conflict):
            staff.transfer_ownership(mainstem, receiver, giver)
    with pytest.raises(NotFound):
        staff.transfer_ownership(mainstem, 99, OLGA)
    assert owners(mainstem) == [OLGA]
    staff.transfer_ownership(mainstem, ann.id, OLGA)
    assert owners(mainstem) == ["ann@example.com"]
    assert user(mainstem, owner.id).role == "admin"


def test_of_two_transfers_at_once_one_is_done(mainstem: Mainstem, factory: Factory, owner: User):
    receivers = [factory.user(f"{name}@example.com", "admin").id for name in ("ann", "bob")]

    def transfer(id: int) -> bool:
        try:
            staff.transfer_ownership(mainstem, id, OLGA)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(transfer, receivers)) == [False, True]
    assert len(owners(mainstem)) == 1


def test_what_was_done_is_in_the_audit_log(mainstem: Mainstem, factory: Factory, owner: User):
    ann = factory.user("ann@example.com", "agent")
    staff.change(mainstem, ann.id, "admin", False, OLGA)
    with Session(mainstem.engine) as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.action, entry.target) == (OLGA, "change role", f"user {ann.id}")
    assert entry.detail == {"before": "agent", "after": "admin", "agent": False}


def test_the_list_is_narrowed_by_role_state_and_team(mainstem: Mainstem, factory: Factory, owner: User):
    ann = factory.user("ann@example.com", "agent", name="Ann")
    factory.user("bob@example.com", "agent", name="Bob", state="revoked")
    team = teams.create(mainstem, "Help", OLGA)
    staff.set_teams(mainstem, ann.id, [team], OLGA)

    def names(**given: object) -> list[str]:
        with Session(mainstem.engine) as session:
            return [member.user.name for member in staff.page(session, Query(**given)).items]  # type: ignore[arg-type]

    assert names() == ["Ann", "Olga Ivanova", "Bob"]
    assert names(role="agent") == ["Ann", "Bob"]
    assert names(role="agent", state="active") == ["Ann"]
    assert names(team=team) == ["Ann"]
    assert names(text="EXAMPLE iva") == ["Olga Ivanova"]
    assert names(text="bob@", state="active") == []


def test_users_are_read_page_by_page_there_and_back(mainstem: Mainstem, factory: Factory, owner: User):
    for name in ("bo", "Ann", "", "Cy", "ann"):
        factory.user(
            f"{len(name)}{name}@example.com", "agent", name=name, state="revoked" if name == "bo" else "active"
        )
    with Session(mainstem.engine) as session:
        names = [user.name for user in staff.everybody(session)]
        assert names == ["", "Ann", "ann", "Cy", "Olga Ivanova", "bo"]
        pages = [staff.page(session, Query(), size=2)]
        while pages[-1].next:
            pages.append(staff.page(session, Query(), pages[-1].next, size=2))
        assert [member.user.name for page in pages for member in page.items] == names
        assert staff.page(session, Query(), pages[-1].previous, size=2) == pages[-2]


def test_who_is_no_longer_imported_is_not_waited_for(mainstem: Mainstem, factory: Factory, owner: User):
    factory.user("uma@example.com", "agent", name="Uma", state="invited")
    factory.user("ted@example.com", "agent", name="Ted", state="invited", imported=True, gone_at=now_utc())
    with Session(mainstem.engine) as session:
        assert [member.user.name for member in staff.page(session, Query(state="invited")).items] == ["Uma"]
        assert [member.user.name for member in staff.page(session, Query(state="gone")).items] == ["Ted"]
        (matter,) = home.attention(session, mainstem.host)
    assert matter.title == "1 invited user has not accepted yet"


# Teams


def members(mainstem: Mainstem, team: int) -> list[str]:
    with Session(mainstem.engine) as session:
        return [member.email for member, _ in teams.get(session, team).members]


def team_named(mainstem: Mainstem, name: str) -> int:
    with Session(mainstem.engine) as session:
        return session.scalars(select(Team.id).where(Team.name == name)).one()


def test_what_is_changed_here_of_an_imported_team_outlives_syncs(mainstem: Mainstem, factory: Factory, owner: User):
    source = factory.source().id
    ann, bob = TeamUser("1", "ann@example.com", "Ann"), TeamUser("2", "bob@example.com", "Bob")
    help_ = TeamOfVendor("h", "Help", members=("1", "2"))
    sync(mainstem, source, ann, bob, teams=(help_,))
    team = team_named(mainstem, "Help")
    with Session(mainstem.engine) as session:
        id_of_ann = session.scalars(select(User.id).where(User.email == "ann@example.com")).one()
    teams.rename(mainstem, team, " Front  desk ", OLGA)
    teams.remove_member(mainstem, team, id_of_ann, OLGA)
    teams.add_members(mainstem, team, [owner.id], OLGA)
    sync(mainstem, source, ann, bob, teams=(help_,))
    with Session(mainstem.engine) as session:
        assert teams.get(session, team).team.name == "Front desk"
    assert members(mainstem, team) == ["bob@example.com", OLGA]
    teams.add_members(mainstem, team, [id_of_ann], OLGA)
    assert members(mainstem, team) == ["ann@example.com", "bob@example.com", OLGA]


def test_a_deleted_team_says_where_its_conversations_go_and_stays_away(mainstem: Mainstem, factory: Factory):
    source = factory.source().id
    help_ = TeamOfVendor("h", "Help")
    sync(mainstem, source, teams=(help_,))
    first, second, third = team_named(mainstem, "Help"), *(teams.create(mainstem, name, OLGA) for name in ("A", "B"))
    with pytest.raises(Conflict, match="itself"):
        teams.delete(mainstem, first, first, OLGA)
    teams.delete(mainstem, first, second, OLGA)
    sync(mainstem, source, teams=(help_,))
    with Session(mainstem.engine) as session:
        assert [view.team.id for view in teams.listing(session)] == [second, third]
        assert teams.successors(session) == {first: second}
    teams.delete(mainstem, second, third, OLGA)
    with Session(mainstem.engine) as session:
        assert teams.successors(session) == {first: third, second: third}
        assert [(team.id, end.id if end else None) for team, end in teams.deleted(session)] == [
            (second, third),
            (first, third),
        ]
    teams.delete(mainstem, third, None, OLGA)
    with Session(mainstem.engine) as session:
        assert teams.successors(session) == {}
    with pytest.raises(NotFound):
        teams.rename(mainstem, first, "Back", OLGA)


def test_names_of_teams_are_given_once(mainstem: Mainstem):
    teams.create(mainstem, "Help", OLGA)
    with pytest.raises(Conflict, match="already a team"):
        teams.create(mainstem, "help", OLGA)
    with pytest.raises(Invalid):
        teams.create(mainstem, "  ", OLGA)
