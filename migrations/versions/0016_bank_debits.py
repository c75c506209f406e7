"""Whether a campaign takes bank debits, and the mail about one that failed."""

from alembic import op

revision = "0016"
down_revision = "0015"

KINDS = "'receipt', 'acknowledgement', 'fee', 'healed'"


def upgrade() -> None:
    op.execute("ALTER TABLE campaign ADD COLUMN takes_bank_debits boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE outbox DROP CONSTRAINT kind_is_ours")
    op.execute(f"ALTER TABLE outbox ADD CONSTRAINT kind_is_ours CHECK (kind IN ({KINDS}, 'payment_failed'))")


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE kind = 'payment_failed'")
    op.execute("ALTER TABLE outbox DROP CONSTRAINT kind_is_ours")
    op.execute(f"ALTER TABLE outbox ADD CONSTRAINT kind_is_ours CHECK (kind IN ({KINDS}))")
    op.execute("ALTER TABLE campaign DROP COLUMN takes_bank_debits")
