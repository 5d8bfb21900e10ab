"""What a question about a data source is asked of, and what makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from core.contract.fields import Entity
from core.contract.types import FieldSpec, Manifest, MergePolicy, ObjectSpec, Roster
from core.filters import Filter
from core.services.configuration import Chosen, SourceConfig, read_config
from core.services.estimating import Estimate

Form = MultiDict[str, str]
Sections = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """What is asked about: an account, what it offers, and what is chosen so far.

    Attributes:
        manifest: The plugin's.
        account: The account's name.
        config: As it is stored.
        schema: The fields that the account offers.
        roster: Its users and teams.
        problem: Why these could not be read.
        policies: The merge keys that the plugin proposes, by kind.
        new: Fields that appeared after the data source was connected, by object and key.
        estimate: Tells how many of the account's records of a kind meet conditions; None where nobody can tell.
    """

    manifest: Manifest
    account: str
    config: Mapping[str, Any]
    schema: list[FieldSpec]
    roster: Roster = field(default_factory=Roster)
    problem: str | None = None
    policies: Mapping[Entity, MergePolicy] = field(default_factory=dict)
    new: frozenset[tuple[str, str]] = frozenset()
    estimate: Callable[[Entity, Filter], list[Estimate]] | None = None

    @property
    def choices(self) -> SourceConfig:
        """The choices with defaults for what is not answered yet."""
        return read_config(self.config, self.manifest)[0]

    def fields_of(self, object: str) -> list[FieldSpec]:
        """Return the fields of an object."""
        return [spec for spec in self.schema if spec.object == object]

    @property
    def objects(self) -> list[ObjectSpec]:
        """The objects that are offered by themselves."""
        return [spec for spec in self.manifest.objects if spec.comes_with is None]

    def has(self, kind: Entity) -> bool:
        """Tell whether any object becomes this kind."""
        return any(spec.kind == kind for spec in self.manifest.objects)


@dataclass(frozen=True)
class Step:
    """A question.

    Attributes:
        key: Its place in addresses.
        label: Its name for people.
        sections: Which sections of the configuration it answers.
        title: The question.
        help: What it is about, one or two sentences.
        applies: Whether it makes sense for a plugin.
        read: Reads its form.
        view: What its template needs, from the form if one was sent.
    """

    key: str
    label: str
    sections: tuple[str, ...]
    title: str
    help: str
    applies: Callable[[Manifest], bool]
    read: Callable[[Setup, Form], Sections]
    view: Callable[[Setup], Mapping[str, Any]]

    @property
    def template(self) -> str:
        """The template of its form."""
        return f"steps/{self.key}.html"


def has(chosen: Chosen, key: str) -> bool:
    """Tell whether ``key`` is chosen."""
    return chosen is None or key in chosen
