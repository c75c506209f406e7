"""A balance transaction of a payout knows when that payout was last asked for, so that one that Stripe does not show us waits its turn."""

from alembic import op

revision = "payout_fetches"
down_revision = "queue_places"


def upgrade() -> None:
    op.execute("ALTER TABLE balance_transaction ADD payout_fetched_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE balance_transaction DROP payout_fetched_at")
