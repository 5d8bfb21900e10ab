"""Find activities by what their attributes hold, and who did them in one order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What tells who did it, and its column with the id of the activity.
_BY_TYPE = {"activity": "id", "participant": "activity_id"}


def upgrade() -> None:
    for table, id in _BY_TYPE.items():
        op.drop_index(f"ix_{table}_type", table)
        op.create_index(
            f"ix_{table}_type", table, ["type", "person_id", "occurred_at", id], postgresql_include=["source_id"]
        )
    if op.get_context().dialect.name == "postgresql":
        # A trusted extension, as pg_trgm: with it one index has the type of an activity too. It stays when the index
        # goes.
        op.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
        op.create_index(
            "ix_activity_held",
            "activity",
            ["type", sa.text("(lower(jsonb_path_query_array(attributes, '$.*')::text)::jsonb) jsonb_path_ops")],
            postgresql_using="gin",
        )


def downgrade() -> None:
    op.drop_index("ix_activity_held", "activity", if_exists=True)
    for table, id in _BY_TYPE.items():
        op.drop_index(f"ix_{table}_type", table)
        op.create_index(
            f"ix_{table}_type", table, ["type", "person_id", "occurred_at"], postgresql_include=["source_id", id]
        )
