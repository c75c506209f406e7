"""A one-time code of staff counts once: the last one that was used is stored."""

from alembic import op

revision = "used_codes"
down_revision = "verified_points"


def upgrade() -> None:
    op.execute("ALTER TABLE staff ADD tf_last_counter bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE staff DROP tf_last_counter")
