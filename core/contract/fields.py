"""The system fields of the customer database: those that exist whatever is connected."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from core.contract.types import FieldType

Entity = Literal["person", "organization"]


@dataclass(frozen=True, slots=True)
class SystemField:
    """A system field.

    Attributes:
        key: Name in :attr:`Record.values`.
        label: Name for people.
        type: How values are checked and filtered.
        column: Kept in a column of its own rather than in ``fields``.
        identifier: May be chosen as a merge key.
    """

    key: str
    label: str
    type: FieldType = "text"
    column: bool = False
    identifier: bool = False


PERSON = (
    SystemField("email", "Email", column=True, identifier=True),
    SystemField("phone", "Phone", column=True, identifier=True),
    SystemField("external_id", "External id", column=True, identifier=True),
    SystemField("first_name", "First name", column=True),
    SystemField("last_name", "Last name", column=True),
    SystemField("country", "Country"),
    SystemField("region", "Region"),
    SystemField("city", "City"),
    SystemField("language", "Language"),
    SystemField("avatar_url", "Picture"),
)
ORGANIZATION = (
    SystemField("name", "Name", column=True, identifier=True),
    SystemField("domain", "Domain", column=True, identifier=True),
    SystemField("website", "Website"),
    SystemField("industry", "Industry"),
    SystemField("employees", "Employees", "integer"),
)
ARTICLE = ("title", "description", "body", "state", "locale", "url", "author", "translations")
COLLECTION = ("name", "description", "url", "icon", "position", "locale", "translations")

SYSTEM_FIELDS: MappingProxyType[Entity, tuple[SystemField, ...]] = MappingProxyType(
    {"person": PERSON, "organization": ORGANIZATION}
)
"""By entity, in the order people expect to see them. Articles and collections have fixed values, not fields:
:data:`ARTICLE` and :data:`COLLECTION` name the keys of their :attr:`Record.values`."""
