"""What admins see of a plugin, and what its sandbox shows of the vendor."""

from __future__ import annotations

from core.kit.rule import Broken, NotApplicable, rule
from core.kit.trial import Trial


@rule("good", breaks="`icon` is left empty.", after=("loads",))
def icon(trial: Trial) -> None:
    """The plugin has an icon.

    People find a vendor by its mark: in the catalogue, and beside each of its fields.
    """
    if not trial.manifest.icon:
        raise Broken("manifest.icon is empty: SVG markup of at most 4 kB")


@rule("good", breaks="The token's field has no help: where does one find it?", after=("loads",))
def texts(trial: Trial) -> None:
    """The wizard explains itself: what is needed, what each answer is and where to find it, what is imported.

    The admin who connects a data source does not know its plugin, and often not the vendor's settings.
    """
    if not trial.manifest.needs:
        raise Broken("manifest.needs is empty: say what the admin must have")
    for key, field in trial.manifest.credentials().fields.items():
        for what in ("label", "help"):
            if not field.metadata.get(what):
                raise Broken(f"credentials: the field {key!r} has no {what} in its metadata")
    for spec in trial.manifest.objects:
        if not spec.description and spec.comes_with is None:
            raise Broken(f"object {spec.key!r} has no description")


@rule("good", breaks="The sandbox has no article.", after=("reads",))
def objects_shown(trial: Trial) -> None:
    """The sandbox holds something of every object.

    What it does not hold is not tested by any rule here.
    """
    shown = {record.object for record in trial.reading.records}
    if missing := [spec.key for spec in trial.manifest.objects if spec.key not in shown]:
        raise Broken(f"the sandbox has no {', '.join(missing)}")


@rule("excellent", breaks="Nothing in the sandbox is ever rated, though the manifest has `rated`.", after=("reads",))
def activities_shown(trial: Trial) -> None:
    """The sandbox shows every type of activity.

    A type that never occurs is a mapping that has never run.
    """
    if not trial.manifest.activities:
        raise NotApplicable("the manifest has no activities")
    shown = {activity.type for record in trial.reading.records for activity in record.activities}
    if missing := [spec.key for spec in trial.manifest.activities if spec.key not in shown]:
        raise Broken(f"the sandbox has no {', '.join(missing)}")


@rule("excellent", breaks="`phone` is declared, and nobody in the sandbox has one.", after=("reads", "fields_declared"))
def fields_shown(trial: Trial) -> None:
    """The sandbox has a value for every field.

    A field that is always empty may as well be misspelt.
    """
    shown = {
        (record.object, key)
        for record in trial.reading.records
        for values in (record.fields, record.values, *(activity.attributes for activity in record.activities))
        for key, value in values.items()
        if value not in (None, "", [])
    }
    for spec in trial.fields:
        if not {(spec.object, spec.key), (spec.object, spec.feeds)} & shown:
            raise Broken(f"no {spec.object} of the sandbox has a value for {spec.key!r}")
