"""Users and teams of the vendor become users and teams here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.contract.types import Roster, Team, TeamUser
from core.db.bulk import table_of
from core.db.engine import writing
from core.db.models import DataSource, Mail, TeamMember, User
from core.db.models import Team as TeamRow
from core.services.configuration import read_config
from core.services.invitations import invite_imported
from core.services.mainstem import Mainstem
from core.services.rosters import store_roster
from core.services.sources import now_utc
from tests.services.conftest import rows
from tests.services.vendor import manifest

ANN, BOB, CID = (
    TeamUser(id, f"{name.lower()}@acme.example", name) for id, name in (("1", "Ann"), ("2", "Bob"), ("3", "Cid"))
)
SALES, HELP = Team("s", "Sales", members=("1", "2")), Team("h", "Help", members=("2",))
ALL = Roster(users=(ANN, BOB, CID), teams=(SALES, HELP))


@dataclass
class Office:
    """Stores rosters of one data source, and shows what is here then."""

    mainstem: Mainstem
    source: int

    def store(self, roster: Roster, **teams: Any) -> dict[str, int]:
        config, _ = read_config({"teams": teams}, manifest())
        with writing(self.mainstem.engine) as connection:
            return store_roster(connection, self.source, roster, config, now_utc())

    def users(self) -> dict[str, Any]:
        return {row["name"]: row for row in rows(self.mainstem.engine, User)}

    def present(self) -> tuple[set[str], set[str]]:
        """Names of the users and teams that are not gone."""
        users, teams = rows(self.mainstem.engine, User), rows(self.mainstem.engine, TeamRow)
        return ({row["name"] for row in users if not row["gone_at"]}, {r["name"] for r in teams if not r["gone_at"]})

    def members(self) -> dict[str, set[str]]:
        names = {row["id"]: row["name"] for row in rows(self.mainstem.engine, User)}
        found: dict[str, set[str]] = {row["name"]: set() for row in rows(self.mainstem.engine, TeamRow)}
        teams = {row["id"]: row["name"] for row in rows(self.mainstem.engine, TeamRow)}
        with self.mainstem.engine.connect() as connection:
            for row in connection.execute(table_of(TeamMember).select()):
                found[teams[row.team_id]].add(names[row.user_id])
        return found


@pytest.fixture
def office(mainstem: Mainstem, source: int) -> Office:
    return Office(mainstem, source)


def test_all_of_them_come_with_the_default_role(office: Office):
    assert office.store(ALL) == {"users": 3, "teams": 2}
    assert office.present() == ({"Ann", "Bob", "Cid"}, {"Sales", "Help"})
    assert office.members() == {"Sales": {"Ann", "Bob"}, "Help": {"Bob"}}
    ann = office.users()["Ann"]
    assert (ann["email"], ann["role"], ann["state"], ann["agent"]) == ("ann@acme.example", "agent", "invited", True)
    assert (ann["source_id"], ann["remote_id"], ann["password_hash"]) == (office.source, "1", None)


def test_roles_by_person_and_for_the_rest(office: Office):
    office.store(ALL, roles={"default": "read_only", "2": "admin"})
    assert {name: row["role"] for name, row in office.users().items()} == {
        "Ann": "read_only",
        "Bob": "admin",
        "Cid": "read_only",
    }
    office.store(Roster(users=(*ALL.users, TeamUser("4", "dee@acme.example", "Dee"))), roles={"2": "admin"})
    assert office.users()["Dee"]["role"] == "agent"


def test_teams_without_their_members(office: Office):
    assert office.store(ALL, users="none") == {"users": 0, "teams": 2}
    assert office.present() == (set(), {"Sales", "Help"})
    assert office.members() == {"Sales": set(), "Help": set()}


def test_members_without_their_teams(office: Office):
    assert office.store(ALL, teams="none") == {"users": 3, "teams": 0}
    assert office.present() == ({"Ann", "Bob", "Cid"}, set())


def test_some_of_both(office: Office):
    assert office.store(ALL, teams=["s"], users=["2", "3"]) == {"users": 2, "teams": 1}
    assert office.present() == ({"Bob", "Cid"}, {"Sales"})
    assert office.members() == {"Sales": {"Bob"}}


def test_who_is_in_several_teams_is_in_those_that_are_wanted(office: Office):
    office.store(ALL, teams=["h"])
    assert office.present() == ({"Ann", "Bob", "Cid"}, {"Help"})
    assert office.members() == {"Help": {"Bob"}}


def test_who_works_here_already_keeps_role_state_and_name(office: Office):
    row = {"email": "ann@acme.example", "name": "Anna", "role": "owner", "state": "active", "password_hash": "x"}
    now = now_utc() - timedelta(days=1)
    with writing(office.mainstem.engine) as connection:
        connection.execute(table_of(User).insert().values(**row, agent=False, preferences={"theme": 1}, created_at=now))
    office.store(Roster(users=(TeamUser("1", " ANN@Acme.Example ", "Ann"),), teams=(SALES,)))
    (ann,) = rows(office.mainstem.engine, User)
    assert {key: ann[key] for key in row} == row
    assert (ann["agent"], ann["preferences"], ann["created_at"]) == (False, {"theme": 1}, now)
    assert (ann["source_id"], ann["remote_id"]) == (office.source, "1")
    assert office.members() == {"Sales": {"Anna"}}
    office.store(Roster(users=(BOB,)))
    assert office.present()[0] == {"Anna", "Bob"}
    office.store(Roster())
    assert office.present()[0] == {"Anna"}


def test_an_admin_changes_a_role_for_good(office: Office):
    office.store(ALL)
    with writing(office.mainstem.engine) as connection:
        connection.execute(table_of(User).update().where(User.email == ANN.email).values(role="admin", state="revoked"))
    office.store(ALL)
    assert (office.users()["Ann"]["role"], office.users()["Ann"]["state"]) == ("admin", "revoked")


def test_only_whom_this_source_brought_and_who_has_not_accepted_follows_the_roles(office: Office):
    dee, user = TeamUser("4", "dee@acme.example", "Dee"), table_of(User)
    by_hand = {"email": dee.email, "name": "Dee", "role": "agent", "state": "invited", "created_at": now_utc()}
    with writing(office.mainstem.engine) as connection:
        connection.execute(user.insert().values(**by_hand, preferences={}))
    everybody = Roster(users=(ANN, BOB, CID, dee))
    office.store(everybody)
    with writing(office.mainstem.engine) as connection:
        connection.execute(user.update().where(User.email == ANN.email).values(state="active"))
        connection.execute(user.update().where(User.email == BOB.email).values(source_id=None))
    office.store(everybody, roles={"default": "read_only"})
    roles = {name: row["role"] for name, row in office.users().items()}
    assert roles == {"Ann": "agent", "Bob": "agent", "Cid": "read_only", "Dee": "agent"}


def test_who_left_is_marked_and_comes_back(office: Office):
    office.store(ALL)
    office.store(Roster(users=(ANN,), teams=(HELP,)))
    assert office.present() == ({"Ann"}, {"Help"})
    assert office.members() == {"Sales": set(), "Help": set()}
    gone = office.users()["Bob"]["gone_at"]
    assert gone is not None
    office.store(Roster(users=(ANN,), teams=(HELP,)))
    assert office.users()["Bob"]["gone_at"] == gone
    office.store(ALL)
    assert office.present() == ({"Ann", "Bob", "Cid"}, {"Sales", "Help"})
    assert office.members() == {"Sales": {"Ann", "Bob"}, "Help": {"Bob"}}
    assert len(rows(office.mainstem.engine, User)) == 3


def test_an_invitation_is_withdrawn_from_who_left_and_written_anew_to_who_comes_back(office: Office):
    def invite() -> int:
        with writing(office.mainstem.engine) as connection:
            return invite_imported(office.mainstem, connection)

    def mails() -> list[tuple[str, str]]:
        return sorted((mail["recipient"], mail["state"]) for mail in rows(office.mainstem.engine, Mail))

    office.store(Roster(users=(ANN, BOB)))
    assert invite() == 2
    office.store(Roster(users=(ANN,)))
    assert mails() == [(ANN.email, "pending"), (BOB.email, "cancelled")]
    assert invite() == 0
    office.store(Roster(users=(ANN, BOB)))
    assert invite() == 1
    assert mails() == [(ANN.email, "pending"), (BOB.email, "cancelled"), (BOB.email, "pending")]


def test_a_team_is_renamed(office: Office):
    office.store(ALL)
    office.store(Roster(users=ALL.users, teams=(SALES, Team("h", "Help desk"))))
    assert office.members() == {"Sales": {"Ann", "Bob"}, "Help desk": set()}


def test_two_users_of_one_email_are_one_and_those_without_are_left_out(office: Office):
    twin, robot = TeamUser("9", "Ann@acme.example", "Ann Twin"), TeamUser("8", "", "Robot")
    roster = Roster(users=(ANN, twin, robot), teams=(Team("s", "Sales", members=("1", "9", "8", "77")),))
    office.store(roster)
    (row,) = rows(office.mainstem.engine, User)
    assert row["email"] == "ann@acme.example"
    assert office.members() == {"Sales": {row["name"]}}


def test_another_data_sources_teams_are_left_alone(office: Office):
    office.store(ALL)
    (mine,) = rows(office.mainstem.engine, DataSource)
    theirs = {**mine, "id": mine["id"] + 1, "remote_id": "2"}
    with writing(office.mainstem.engine) as connection:
        connection.execute(table_of(DataSource).insert().values(theirs))
    other = Office(office.mainstem, theirs["id"])
    other.store(Roster(users=(TeamUser("5", "eve@acme.example", "Eve"),), teams=(Team("s", "Support", ("5",)),)))
    assert office.present() == ({"Ann", "Bob", "Cid", "Eve"}, {"Sales", "Help", "Support"})
    other.store(Roster())
    assert office.present() == ({"Ann", "Bob", "Cid"}, {"Sales", "Help"})
    assert office.members()["Sales"] == {"Ann", "Bob"}


def test_each_member_of_a_team_is_chosen_by_itself(office: Office):
    members = {"s": ["2"], "h": "all"}
    assert office.store(ALL, users="none", members=members) == {"users": 1, "teams": 2}
    assert office.members() == {"Sales": {"Bob"}, "Help": {"Bob"}}


def test_who_is_deselected_in_one_of_his_teams_is_imported_but_not_in_that_team(office: Office):
    assert office.store(ALL, users="none", members={"s": "all", "h": "none"}) == {"users": 2, "teams": 2}
    assert office.present() == ({"Ann", "Bob"}, {"Sales", "Help"})
    assert office.members() == {"Sales": {"Ann", "Bob"}, "Help": set()}


def test_members_of_a_team_come_without_the_team(office: Office):
    assert office.store(ALL, teams=["h"], users="none", members={"s": ["1"], "h": "none"}) == {"users": 1, "teams": 1}
    assert office.present() == ({"Ann"}, {"Help"})
    assert office.members() == {"Help": set()}


def test_who_is_in_no_team_is_chosen_beside_the_members(office: Office):
    assert office.store(ALL, teams="none", users=["3"], members={"s": "none", "h": "none"})["users"] == 1
    assert office.present() == ({"Cid"}, set())


def test_who_joins_a_team_later_comes_in_where_the_whole_team_was_chosen(office: Office):
    dee = TeamUser("4", "dee@acme.example", "Dee")
    sales, help_ = Team("s", "Sales", ("1", "2", "4")), Team("h", "Help", ("2", "4"))
    for members, names in [({"s": "all"}, {"Ann", "Bob", "Dee"}), ({"s": ["1"], "h": ["2"]}, {"Ann", "Bob"})]:
        office.store(Roster(users=(ANN, BOB, dee), teams=(sales, help_)), users="none", members=members)
        assert office.present()[0] == names
