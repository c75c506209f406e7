"""Indexes for what grows with the donations: events and messages that nobody handles.

They are created while the service reads and writes. One that was interrupted is not valid and is created again.
"""

from alembic import op

revision = "indexes_at_size"
down_revision = "offline_gifts"

INDEXES = {
    "ix_stripe_event_dead": "stripe_event (id) WHERE dead_at IS NOT NULL",
    "ix_outbox_dead": "outbox (dead_at) WHERE dead_at IS NOT NULL",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0; SET lock_timeout = 0")  # It waits for the transactions that are under way.
        for name, of in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {of}")
        op.execute("RESET statement_timeout; RESET lock_timeout")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {name}")
