"""Whether a quarantined payment is a bank debit, and first months of monthly gifts no longer called one.

The checkout of a monthly gift, which takes cards alone, was recorded as a bank debit that is under way.
"""

from alembic import op

revision = "payment_method"
down_revision = "charity_logo"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE quarantined_payment ADD is_debit boolean;
        UPDATE donation d SET processing_at = NULL
        WHERE d.frequency = 'monthly' AND d.processing_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM balance_transaction t WHERE t.payment_intent = d.payment_intent AND t.is_debit);
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE quarantined_payment DROP is_debit")
