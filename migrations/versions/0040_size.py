"""How many gifts became matched each day, for the reports of funders, and indexes for pages of lists that would be sorted whole.

The sums by day are derived: they are deleted, and stored again by the next job. Until then pages add up the entries. Writers wait while an index
is built, a second a million rows.
"""

from alembic import op

revision = "size"
down_revision = "campaign_pages"


def upgrade() -> None:
    op.execute("""
        DELETE FROM summed_days;
        DELETE FROM ledger_day;
        ALTER TABLE ledger_day
            ADD held_cents bigint NOT NULL DEFAULT 0,
            ADD donations bigint NOT NULL DEFAULT 0,
            ADD CONSTRAINT matches_have_donations CHECK (donations >= 0 AND donations <= entries AND (donations = 0 OR kind IN ('match', 'unmatch')));
        DROP INDEX ix_balance_transaction_payout;
        CREATE INDEX ix_balance_transaction_payout_created_at_id ON balance_transaction (payout, created_at, id);
        DROP INDEX ix_receipt_issued_at;
        CREATE INDEX ix_receipt_charity_id_issued_at_id ON receipt (charity_id, issued_at, id);
    """)


def downgrade() -> None:
    op.execute("""
        DROP INDEX ix_receipt_charity_id_issued_at_id;
        CREATE INDEX ix_receipt_issued_at ON receipt (charity_id, issued_at);
        DROP INDEX ix_balance_transaction_payout_created_at_id;
        CREATE INDEX ix_balance_transaction_payout ON balance_transaction (payout);
        ALTER TABLE ledger_day DROP donations, DROP held_cents;
    """)
