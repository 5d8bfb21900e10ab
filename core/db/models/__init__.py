"""All tables. Importing this package registers them."""

from core.db.models.customer import (
    Activity,
    Article,
    Collection,
    Identity,
    Membership,
    Merge,
    Organization,
    Participant,
    Person,
    Tagging,
)
from core.db.models.people import AuditEntry, Team, TeamMember, User
from core.db.models.source import (
    COUNTS,
    Consent,
    DataSource,
    Draft,
    Field,
    Link,
    Partition,
    RefusedRecord,
    Run,
    WebhookDelivery,
)

__all__ = [
    "COUNTS",
    "Activity",
    "Article",
    "AuditEntry",
    "Collection",
    "Consent",
    "DataSource",
    "Draft",
    "Field",
    "Identity",
    "Link",
    "Membership",
    "Merge",
    "Organization",
    "Participant",
    "Partition",
    "Person",
    "RefusedRecord",
    "Run",
    "Tagging",
    "Team",
    "TeamMember",
    "User",
    "WebhookDelivery",
]
