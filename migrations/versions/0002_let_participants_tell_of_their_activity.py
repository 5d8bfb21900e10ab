"""Let participants tell of their activity: its data source, type and time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from core.db.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("participant") as batch_op:
        batch_op.add_column(sa.Column("source_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("type", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("occurred_at", UtcDateTime(), nullable=True))
    op.execute(
        """
        UPDATE participant SET
            source_id = (SELECT source_id FROM activity WHERE activity.id = participant.activity_id),
            type = (SELECT type FROM activity WHERE activity.id = participant.activity_id),
            occurred_at = (SELECT occurred_at FROM activity WHERE activity.id = participant.activity_id)
        """
    )
    # Of an activity that is gone nobody is a participant.
    op.execute("DELETE FROM participant WHERE type IS NULL")
    with op.batch_alter_table("participant") as batch_op:
        batch_op.alter_column("source_id", existing_type=sa.Integer(), nullable=False)
        batch_op.alter_column("type", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("occurred_at", existing_type=UtcDateTime(), nullable=False)
        batch_op.create_index(
            "ix_participant_type",
            ["type", "person_id", "occurred_at"],
            unique=False,
            postgresql_include=["source_id", "activity_id"],
        )


def downgrade() -> None:
    with op.batch_alter_table("participant") as batch_op:
        batch_op.drop_index("ix_participant_type")
        batch_op.drop_column("occurred_at")
        batch_op.drop_column("type")
        batch_op.drop_column("source_id")
