"""Pages, cursors, partitions, and what the tables say after them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from marshmallow import ValidationError

from core.contract.types import JSON, Activity, ActivitySpec, FieldType, Page, Partition, Record, Scope
from core.kit.rule import Broken, NotApplicable, rule
from core.kit.tables import tables
from core.kit.trial import Trial, is_json
from core.kit.world import Reading, Step, World, name, stored
from core.pipeline.policy import Policy
from core.pipeline.schemas import Reader

_READ = ("reads",)


@rule("needed", breaks="The last page's cursor points to the first page.", after=("plans",))
def reads(trial: Trial) -> None:
    """Every partition is read to its end, in pages of declared objects.

    A cursor that comes again would be read for ever.
    """
    declared = {spec.key for spec in trial.manifest.objects}
    for step in trial.reading.steps:
        page: object = step.page
        if not isinstance(page, Page):
            raise Broken(f"{name(step.partition)}: sync returns a {type(page).__name__}, not a Page")
        for item in page.records:
            if getattr(item, "object", None) not in declared:
                raise Broken(f"{name(step.partition)}: a page holds {item!r:.100}, of no declared object")


@rule("needed", breaks="The cursor holds a tuple or a datetime.", after=_READ)
def json_cursors(trial: Trial) -> None:
    """Cursors are JSON.

    The host stores them and hands back what JSON made of them, in another process.
    """
    for step in trial.reading.steps:
        if not is_json(step.page.next):
            raise Broken(f"{name(step.partition)}: the cursor {step.page.next!r} is not the same after JSON")


@rule("needed", breaks="The plugin counts pages in an attribute of its own.", after=("json_cursors",))
def resumable(trial: Trial) -> None:
    """Reading goes on after any page, in another process, from the cursor alone.

    Workers die, deploys come, a run pauses for a week: what is read then must be what would have been read. Each page
    is asked for again, the last one first, each time by a plugin that has seen nothing.
    """
    steps = [step for step in trial.reading.steps if not step.partition.unbroken]
    for step in reversed(steps):
        _same(step, _again(trial.usual, step))
    # And by one instance that has just read something else.
    source = trial.usual.source()
    random.Random(5).shuffle(steps)  # noqa: S311
    for step in steps:
        page = source.sync(account=trial.usual.account, partition=step.partition, cursor=stored(step.cursor))
        _same(step, page)


def _again(world: World, step: Step) -> Page:
    return world.source().sync(account=world.account, partition=step.partition, cursor=stored(step.cursor))


def _same(step: Step, page: Page) -> None:
    before, now = _ids(step.page), _ids(page)
    if before != now or (page.next is None) != (step.page.next is None):
        what = f"cursor {step.cursor!r} of {name(step.partition)}"
        raise Broken(f"{what} brought {len(before)} records, and others ({len(now)}) when asked for again")


def _ids(page: Page) -> set[tuple[str, str]]:
    return {(item.object, item.remote_id) for item in page.records}


@rule("needed", breaks="The remote id is the row's number on its page.", after=_READ)
def unique_ids(trial: Trial) -> None:
    """A remote id belongs to one object, and an activity's to one activity.

    Of two records with one id the later overwrites the other, and nobody is told.
    """
    seen: dict[tuple[str, str], Record] = {}
    for record in trial.reading.records:
        other = seen.setdefault((record.object, record.remote_id), record)
        if (other.values, other.fields) != (record.values, record.fields):
            raise Broken(f"two records of {record.object!r} have the remote id {record.remote_id!r}")
    owner: dict[str, tuple[str, str]] = {}
    for record in trial.reading.records:
        own = [activity.remote_id for activity in record.activities]
        if len(own) != len(set(own)):
            raise Broken(f"{record.object} {record.remote_id} has two activities of one remote id")
        for key in own:
            if owner.setdefault(key, (record.object, record.remote_id)) != (record.object, record.remote_id):
                raise Broken(f"the activity {key!r} is on two records: prefix its id by its kind")


@rule("needed", breaks='An `integer` field brings `"12 seats"`.', after=("reads", "fields_declared"))
def typed(trial: Trial) -> None:
    """Every value has the type that its field declares, and no record of the sandbox is refused.

    The host checks each value and sets records aside that fail: what it refuses is not imported.
    """
    for refusal in trial.reading.refusals:
        raise Broken(f"{refusal.object} {refusal.remote_id} is refused by the plugin: {refusal.reason}")
    policy = trial.policy
    readers = {(spec.object, spec.key): Reader(spec.key, spec.type) for spec in trial.fields}
    for record in trial.reading.records:
        for key, value in record.fields.items():
            if reader := readers.get((record.object, key)):
                _try(reader, value, f"{record.object} {record.remote_id}")
    with tables(policy) as database:
        counts = database.apply(trial.reading.pages)
        if any("rejected" in told or "incomplete" in told for told in counts.values()):
            raise Broken(f"the host refuses {_first_refusal(trial, policy)}")


def _try(reader: Reader, value: JSON, where: str) -> None:
    try:
        reader(value)
    except ValidationError as error:
        raise Broken(f"{where}: {error.messages}") from None


def _first_refusal(trial: Trial, policy: Policy) -> str:
    from core.pipeline.shape import Shaper

    for page in trial.reading.pages:
        for row in Shaper(policy).shape(page).refused.values():
            return f"{row['object']} {row['remote_id']}: {row['reason']}"
    raise AssertionError("a record was rejected, and now none is")


@rule("needed", breaks="Records bring `plan`, and `field_schema` does not list it.", after=("typed",))
def fields_honoured(trial: Trial) -> None:
    """Records bring no field that is not declared.

    The admin can choose only what `field_schema` lists; anything else is dropped in silence.
    """
    declared = {(spec.object, spec.key) for spec in trial.fields}
    for record in trial.reading.records:
        for key in record.fields:
            if (record.object, key) not in declared:
                raise Broken(f"{record.object} {record.remote_id} brings the field {key!r}, which is not declared")


@rule("needed", breaks="An activity of type `sold` is not in the manifest.", after=("reads", "fields_declared"))
def activities_honoured(trial: Trial) -> None:
    """Activities are of declared types, on the declared object, with flat attributes of the declared types.

    Filters, exports and the timeline are built from the manifest, and from the fields of the activity's object.
    """
    specs = {spec.key: spec for spec in trial.manifest.activities}
    for record, activity in _activities(trial):
        where = f"activity {activity.type} {activity.remote_id}"
        spec = specs.get(activity.type)
        if spec is None:
            raise Broken(f"{where}: the manifest has no such activity")
        if spec.object != record.object:
            raise Broken(f"{where}: the manifest says it is on {spec.object!r}, not on {record.object!r}")
        declared = _attributes(trial, spec)
        for key, value in activity.attributes.items():
            if key in declared:
                _try(Reader(key, declared[key]), value, where)
            elif not isinstance(value, str | int | float | list | None):
                raise Broken(f"{where}: the attribute {key!r} is a {type(value).__name__}, not a scalar or a list")


@rule("good", breaks="An activity has the attribute `reason`, which nothing declares.", after=("activities_honoured",))
def attributes_declared(trial: Trial) -> None:
    """Every attribute of an activity is declared: by the manifest, or as a field of the activity's object.

    What is not declared is kept, but nobody can choose or filter it.
    """
    specs = {spec.key: spec for spec in trial.manifest.activities}
    for _, activity in _activities(trial):
        for key in activity.attributes.keys() - _attributes(trial, specs[activity.type]).keys():
            raise Broken(f"activity {activity.type} {activity.remote_id}: the attribute {key!r} is not declared")


def _activities(trial: Trial) -> Iterator[tuple[Record, Activity]]:
    for record in trial.reading.records:
        for activity in record.activities:
            yield record, activity


def _attributes(trial: Trial, spec: ActivitySpec) -> dict[str, FieldType]:
    fields = {field.key: field.type for field in trial.fields if field.object == spec.object}
    return {**fields, **spec.attributes}


@rule("needed", breaks="The next offset is one too far, so each page loses a person.", after=("reads", "unique_ids"))
def complete(trial: Trial) -> None:
    """No person is lost or made up, at page borders either.

    Sandboxes of one person fewer, as many, and one more than fill two pages: each person comes once.
    """
    if not trial.person_objects:
        raise NotApplicable("it brings no people")
    full = 2 * trial.page_size
    for people in (full - 1, full, full + 1):
        _count(trial.world(people), trial, people)


@rule("good", breaks="The next page asks for what changed after the last record's second.", after=("complete",))
def ties(trial: Trial) -> None:
    """Records with equal times are all read.

    Vendors change thousands of records in one second. A sandbox shows it by `SandboxOptions.ties`.
    """
    if not trial.person_objects:
        raise NotApplicable("it brings no people")
    people = 2 * trial.page_size + 1
    reading = _count(trial.world(people, ties=True), trial, people)
    times = Counter(record.updated_at for record in reading.records if record.object in trial.person_objects)
    (time, often), *_ = times.most_common(1)
    if time is None:
        raise NotApplicable("its people have no time of change")
    if often < people - trial.page_size // 2:
        raise Broken("the sandbox does not heed SandboxOptions.ties: give all people one time of change")


def _count(world: World, trial: Trial, people: int) -> Reading:
    partitions = [partition for partition in world.plan() if partition.object in trial.person_objects]
    reading = world.read(partitions)
    found = len(reading.ids(trial.person_objects))
    if found != people:
        raise Broken(f"of {people} people of the sandbox {found} come, with pages of {trial.page_size}")
    return reading


@rule("needed", breaks="The incremental filter asks for what was *created* since.", after=("complete", "resumable"))
def incremental(trial: Trial) -> None:
    """An incremental run brings everything that changed since.

    It may bring more, since what is unchanged is not written; what it leaves out is lost until a full run.
    """
    times: dict[str, list[datetime]] = {}
    for record in trial.reading.records:
        if record.updated_at is not None:
            times.setdefault(record.object, []).append(record.updated_at)
    for object, moments in times.items():
        since = sorted(moments)[len(moments) // 2] - timedelta(seconds=1)
        scope = Scope({spec.key: since if spec.key == object else None for spec in trial.manifest.objects})
        world = trial.world()
        planned: list[Partition] = [found for found in world.plan(scope) if found.object == object]
        found = world.read(planned).ids([object])
        wanted = {
            (record.object, record.remote_id)
            for record in trial.reading.records
            if record.object == object and record.updated_at and record.updated_at > since
        }
        if missing := sorted(wanted - found):
            raise Broken(
                f"since {since:%Y-%m-%d %H:%M:%S} {len(missing)} changed {object} are missing: {missing[0][1]}"
            )
