"""Plans, fields, merging, retention and teams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from core.contract.fields import SYSTEM_FIELDS
from core.contract.types import FieldType, Kind, MatchMode
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial, is_json
from core.kit.world import name


def repeated(keys: Iterable[object]) -> list[object]:
    """Return what occurs more than once."""
    return [key for key, times in Counter(keys).items() if times > 1]


@rule("needed", breaks="Two partitions of one object are both called `all`.", after=("connects",))
def plans(trial: Trial) -> None:
    """A plan is made of partitions that can be told apart and stored.

    The host keeps each as a row and may hand it back next week: object and key name it, its start is JSON.
    """
    partitions = trial.usual.plan()
    if not partitions:
        raise Broken("plan_sync with everything selected returns no partition")
    declared = {spec.key for spec in trial.manifest.objects}
    for partition in partitions:
        if partition.object not in declared:
            raise Broken(f"{name(partition)}: the manifest has no such object")
        if partition.start is None or not is_json(partition.start):
            raise Broken(f"{name(partition)}: start must be JSON and not None, not {partition.start!r}")
    for key in repeated((partition.object, partition.key) for partition in partitions):
        raise Broken(f"plan_sync returns two partitions {key}")


@rule("needed", breaks="`plan_sync` reads conversations although the admin took articles only.", after=("plans",))
def selection(trial: Trial) -> None:
    """Only what the admin selected is read.

    What is not selected must not even be fetched: it costs the vendor's rate limit and may need another permission.
    """
    follows = {spec.key: spec.comes_with for spec in trial.manifest.objects}
    for spec in trial.manifest.objects:
        account = replace(trial.usual.account, objects={spec.key: None})
        wrong = {partition.object for partition in trial.usual.plan(account=account)} - {spec.key}
        if any(follows[object] != spec.key for object in wrong):
            raise Broken(f"with {spec.key!r} alone selected, {', '.join(sorted(wrong))} is planned as well")


@rule("needed", breaks="Two custom fields get the key `custom`.", after=("connects",))
def fields_declared(trial: Trial) -> None:
    """The field schema is sound.

    Keys are stable and unique, because the admin's choices hang on them; a field feeds a system field that exists.
    """
    kinds = {spec.key: spec.kind for spec in trial.manifest.objects}
    system: dict[Kind, set[str]] = {kind: {field.key for field in fields} for kind, fields in SYSTEM_FIELDS.items()}
    for spec in trial.fields:
        where = f"field {spec.object}.{spec.key}"
        if spec.object not in kinds:
            raise Broken(f"{where}: the manifest has no object {spec.object!r}")
        if not spec.key or not spec.label.strip() or spec.type not in get_args(FieldType):
            raise Broken(f"{where}: needs a key, a label, and a type among {', '.join(get_args(FieldType))}")
        if spec.feeds is not None and spec.feeds not in system.get(kinds[spec.object], ()):
            raise Broken(f"{where}: feeds the unknown system field {spec.feeds!r}")
    for key in repeated((spec.object, spec.key) for spec in trial.fields):
        raise Broken(f"field_schema returns two fields {key}")


@rule("needed", breaks='`merge` answers `MergePolicy(("nickname",))`.', after=("connects",))
def merges(trial: Trial) -> None:
    """Merge keys are identifiers that exist.

    The host looks people up by them: at most two, of the object's kind.
    """
    for spec in trial.manifest.objects:
        if spec.kind not in ("person", "organization"):
            continue
        policy = trial.usual.source().merge(account=trial.usual.account, object=spec.key)
        system = SYSTEM_FIELDS["person" if spec.kind == "person" else "organization"]
        allowed = [field.key for field in system if field.identifier]
        if len(policy.keys) > 2 or not set(policy.keys) <= set(allowed) or policy.mode not in get_args(MatchMode):
            raise Broken(f"merge of {spec.key!r} returns {policy}: at most two keys of {', '.join(allowed)}")


@rule("needed", breaks="A rule keeps activities of a type that the manifest does not have.", after=("connects",))
def retention_rules(trial: Trial) -> None:
    """Retention names declared activities and keeps each for some days, or for ever.

    The host deletes by these rules: a slip here is a slip for good.
    """
    rules = trial.usual.source().retention(account=trial.usual.account)
    types = {spec.key for spec in trial.manifest.activities}
    for kept in rules:
        if kept.type is not None and kept.type not in types:
            raise Broken(f"retention has a rule for the undeclared activity {kept.type!r}")
        if kept.days is not None and kept.days < 1:
            raise Broken(f"retention keeps {kept.type or 'activities'} for {kept.days} days: at least 1, or None")
    for key in repeated(kept.type for kept in rules):
        raise Broken(f"retention has two rules for {key or 'all activities'}")


@rule("needed", breaks="A team has a member that is not among the users.", after=("connects",))
def team(trial: Trial) -> None:
    """Users and teams are complete and told apart.

    Who is missing is marked as gone, so a roster must be whole: the members of teams are among its users.
    """
    if not trial.manifest.teams:
        raise NotApplicable("the manifest has no teams")
    roster = trial.usual.source().import_team(account=trial.usual.account)
    if not roster.users:
        raise Broken("import_team returns no user, though manifest.teams is true")
    users = [user.remote_id for user in roster.users]
    for key in repeated(users) + repeated(found.remote_id for found in roster.teams):
        raise Broken(f"import_team returns {key!r} twice")
    for found in roster.teams:
        if unknown := set(found.members) - set(users):
            raise Broken(f"team {found.name!r} has members that are no users: {', '.join(sorted(unknown))}")
