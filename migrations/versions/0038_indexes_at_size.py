"""Indexes for what grows with the donations: events and messages that nobody handles. Writers wait while they are built, a second a million rows."""

from alembic import op

revision = "indexes_at_size"
down_revision = "offline_gifts"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_stripe_event_dead ON stripe_event (id) WHERE dead_at IS NOT NULL;
        CREATE INDEX ix_outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ix_outbox_dead, ix_stripe_event_dead")
