"""``mainstem users``."""

from __future__ import annotations

import click
from sqlalchemy.orm import Session

from core.cli.output import Group, open_mainstem, show, table
from core.services.configuration import ROLES
from core.services.errors import NotFound
from core.services.users import add_user, list_users, reset_password


@click.group("users", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List and add those who may log in, and give them another password."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@command.command("list")
def list_() -> None:
    """List the users (also without "list")."""
    mainstem = open_mainstem()
    with Session(mainstem.engine) as session:
        users = [
            {"id": user.id, "email": user.email, "name": user.name, "role": user.role, "state": user.state}
            for user in list_users(session)
        ]
    rows = [tuple(user.values()) for user in users]
    show(users, table(["ID", "EMAIL", "NAME", "ROLE", "STATE"], rows, empty="No users yet: mainstem users add"))


@command.command("add")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--name", default="", help="Name for people.")
@click.option("--password", help="At least 10 characters; one is made and shown once without it.")
def add(email: str, role: str, name: str, password: str | None) -> None:
    """Add a user, who may log in at once with EMAIL."""
    id, made = add_user(open_mainstem(), email, role, name=name, password=password)
    shown = f"; the password, shown only now, is {made}" if made else ""
    show({"id": id, "email": email, "role": role, "password": made}, f"Added user {id}, {email}, as {role}{shown}")


@command.command("password")
@click.argument("email")
def password(email: str) -> None:
    """Give the user with EMAIL another password, made here and shown once; who was invited or revoked is let in."""
    mainstem = open_mainstem()
    with Session(mainstem.engine) as session:
        id = next((user.id for user in list_users(session) if user.email == email.strip().lower()), None)
    if id is None:
        raise NotFound(f"There is no user with the email {email}: see mainstem users")
    made = reset_password(mainstem, id)
    show({"id": id, "email": email, "password": made}, f"The new password of {email}, shown only now, is {made}")
