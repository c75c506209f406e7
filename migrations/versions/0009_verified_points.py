"""A check of the books says whether it read all of them, and which point a clean one verified."""

from alembic import op

revision = "verified_points"
down_revision = "chains"


def upgrade() -> None:
    # A version without the columns goes on: what it records is a check of all books without a point.
    op.execute("ALTER TABLE integrity_check ADD is_whole boolean NOT NULL DEFAULT true, ADD point jsonb")


def downgrade() -> None:
    op.execute("ALTER TABLE integrity_check DROP is_whole, DROP point")
