"""One receipt for all gifts of a year, for donors who wish it."""

from alembic import op

revision = "0020"
down_revision = "0019"

KINDS = (
    "'receipt', 'acknowledgement', 'fee', 'healed', 'payment_failed', 'monthly_failed', 'monthly_stopped', 'monthly_link', "
    "'money_back', 'receipt_again'"
)


def upgrade() -> None:
    op.execute("""
        ALTER TABLE donor ADD COLUMN receipts text NOT NULL DEFAULT 'each'
            CONSTRAINT receipts_are_each_or_yearly CHECK (receipts IN ('each', 'yearly'))
    """)
    op.execute("CREATE INDEX ix_donor_yearly ON donor (id) WHERE receipts = 'yearly'")
    op.execute("ALTER TABLE outbox DROP CONSTRAINT kind_is_ours")
    op.execute(f"ALTER TABLE outbox ADD CONSTRAINT kind_is_ours CHECK (kind IN ({KINDS}, 'yearly_receipt'))")


def downgrade() -> None:
    op.execute("ALTER TABLE outbox DROP CONSTRAINT kind_is_ours")
    op.execute("UPDATE outbox SET kind = 'receipt_again' WHERE kind = 'yearly_receipt'")
    op.execute(f"ALTER TABLE outbox ADD CONSTRAINT kind_is_ours CHECK (kind IN ({KINDS}))")
    op.execute("ALTER TABLE donor DROP COLUMN receipts")
