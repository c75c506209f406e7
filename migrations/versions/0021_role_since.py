"""Since when a member has their role: whoever was just appointed does not count as the second of two people."""

from alembic import op

revision = "role_since"
down_revision = "card_testing"


def upgrade() -> None:
    op.execute("ALTER TABLE staff ADD role_since timestamptz NOT NULL DEFAULT now(); UPDATE staff SET role_since = created_at")


def downgrade() -> None:
    op.execute("ALTER TABLE staff DROP role_since")
