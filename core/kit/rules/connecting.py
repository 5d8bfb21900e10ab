"""Loading and connecting."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import Any

from marshmallow import Schema, fields

from core.contract.errors import Reauthorise, Refused, SourceError
from core.contract.types import Connected, Rejected
from core.host import Host
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial, is_json, outcome

_LISTEN = """
import importlib, sys
importlib.import_module("core.contract.hookspecs")
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        sys.stderr.write(f"opens a socket: {event} {args[1:]}"); sys.stderr.flush()
        import os; os._exit(7)
sys.addaudithook(hook)
importlib.import_module(sys.argv[1])
"""


@rule("needed", breaks="`manifest.name` differs from the entry point's name.")
def loads(trial: Trial) -> None:
    """The host takes the plugin.

    A plugin with a hook of a wrong name, a manifest of wrong types or a missing hook is left out, with a reason.
    """
    for report in Host([trial.plugin]).report():
        if report.state != "loaded":
            raise Broken(report.reason or "it is no data source: give it a manifest")


@rule("needed", breaks="A module asks the vendor for its list of regions while it is imported.", after=("loads",))
def quiet_import(trial: Trial) -> None:
    """Importing the plugin opens no socket.

    Every process of Mainstem imports every plugin: a vendor that is out of reach must not keep one from starting.
    """
    module = type(trial.plugin).__module__
    if module == "__main__":
        raise NotApplicable("the plugin's class is in no module that can be imported")
    if complaint := _import(module):
        raise Broken(f"importing {module}: {complaint}")


@cache
def _import(module: str) -> str:
    """Import a module in a process of its own; return what is wrong with that, or nothing."""
    found = subprocess.run(
        [sys.executable, "-c", _LISTEN, module],
        env={"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return (found.stderr.strip().splitlines() or ["it fails"])[-1] if found.returncode else ""


@rule("needed", breaks="`connect` returns the token in `Connected.settings` as a date object.", after=("loads",))
def connects(trial: Trial) -> None:
    """The sandbox's own credentials connect.

    Without a sandbox and a way in nothing else can be shown. Settings must be JSON: they are stored.
    """
    connected = trial.usual.connected
    for what in ("remote_id", "name"):
        if not isinstance(getattr(connected, what), str) or not getattr(connected, what):
            raise Broken(f"Connected.{what} must be text and not empty")
    if not is_json(dict(connected.settings)):
        raise Broken("Connected.settings must hold nothing but JSON")
    for key, secret in connected.secrets.items():
        if not isinstance(secret, str):
            raise Broken(f"Connected.secrets[{key!r}] must be text")


@rule("needed", breaks="`connect` takes any token; the first sync fails at night.", after=("connects",))
def rejects(trial: Trial) -> None:
    """Wrong credentials are rejected, with the field and the mend.

    A wrong token must be found while the admin looks at the form, not by the first run.
    """
    answers = dict(trial.usual.typed)
    if not answers:
        raise NotApplicable("nothing is typed in: the admin consents at the vendor")
    known = {*trial.manifest.credentials().fields, ""}
    for key in _secret_fields(trial.manifest.credentials()) & answers.keys():
        wrong = {**answers, key: "wrong-" + answers[key][::-1]}
        found = outcome(trial.usual.source().connect, account=trial.usual.draft, answers=wrong)
        if not isinstance(found, Rejected) or not found.errors:
            raise Broken(f"connect with a wrong {key} must return Rejected with errors, not {found!r}")
        if not set(found.errors) <= known or not all(found.errors.values()):
            raise Broken(f"Rejected.errors must name fields of the credentials or '': {dict(found.errors)}")


def _secret_fields(schema: Schema) -> set[str]:
    declared: dict[str, fields.Field[Any]] = schema.fields
    secret = {key for key, spec in declared.items() if spec.metadata.get("secret")}
    return secret or set(declared)


@rule("needed", breaks="`remote_id` is made of the token, or of the time.", after=("connects",))
def same_account(trial: Trial) -> None:
    """The same account has the same id each time it is connected.

    The host tells accounts apart by `Connected.remote_id`: it refuses to connect one twice, and finds it again after
    new credentials.
    """
    first, again = trial.usual.connected, trial.usual.connect()
    if first.remote_id != again.remote_id:
        raise Broken(f"remote_id was {first.remote_id!r} and then {again.remote_id!r}")


@rule("needed", breaks="The callback's `error=access_denied` ends in a KeyError.", after=("connects",))
def consents(trial: Trial) -> None:
    """Consent at the vendor connects, and a refused or wrong one is rejected.

    Admins press Cancel, reload the callback and come back too late.
    """
    if trial.manifest.auth == "token":
        raise NotApplicable("credentials are typed in")
    connected = trial.usual.consent()
    if not isinstance(connected, Connected):
        raise Broken(f"connect answered the consent's callback with {connected!r}")
    if connected.remote_id != trial.usual.connected.remote_id:
        raise Broken("by consent the account has another remote_id than by credentials")
    for query in ({"error": "access_denied"}, {"code": "wrong"}):
        found = outcome(trial.usual.consent, change=lambda _, query=query: query)
        if not isinstance(found, Rejected) or not found.errors:
            raise Broken(f"connect must answer the callback {query} with Rejected, not {found!r}")


@rule("good", breaks="`connect` looks in the stored secrets for the fields of the form.", after=("connects",))
def reconnects(trial: Trial) -> None:
    """The secrets that were stored connect again, without new credentials.

    An admin who connects a data source again, after a pause or when the vendor is back, has no token at hand.
    """
    account = trial.usual.account
    if not account.secrets:
        raise NotApplicable("nothing secret is kept")
    found = outcome(trial.usual.source().connect, account=account, answers=dict(account.secrets))
    if not isinstance(found, Connected) or found.remote_id != account.remote_id:
        raise Broken(f"connect answered the account's own secrets with {found!r}")


@rule(
    "needed", breaks="The plugin uses its refresh token by itself, and keeps the answer.", after=("consents", "reads")
)
def renews(trial: Trial) -> None:
    """A token that expired is renewed by `Account.renew`, and the work goes on.

    Vendors take a refresh token once. What replaces it must be stored before it is used, and by one worker alone:
    otherwise the account is lost at the next crash, or when two workers read.
    """
    if trial.manifest.auth == "token":
        raise NotApplicable("credentials are typed in")
    world = trial.world(token_seconds=3_600)
    world.hold(world.consent())
    for call in trial.calls:
        # What is not a page may be done without.
        if not call.is_page or call.world() is not trial.usual:
            continue
        before, struck = dict(world.account.secrets), world.wire.struck
        with world.wire.breaking("401", times=1):
            found = outcome(call.make, world=world)
        if isinstance(found, Reauthorise | Refused):
            raise NotApplicable("a token that was refused asks for a new consent")
        if isinstance(found, SourceError):
            raise Broken(f"{call.label}: a token has expired, and the plugin raises {type(found).__name__}")
        if world.wire.struck > struck and world.account.secrets == before:
            raise Broken(f"{call.label}: a token has expired, the plugin goes on, and Account.renew was not called")
