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
    DataSource,
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
    "DataSource",
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
