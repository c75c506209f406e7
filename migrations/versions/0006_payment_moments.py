"""A payment has two moments: when the donor made it, and when the charity had it. A balance transaction knows those of its charge.

It renames columns, so it is not safe while the previous version runs; it comes before the first release.
"""

from alembic import op

revision = "payment_moments"
down_revision = "payout_fetches"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE donation RENAME paid_at TO received_at;
        ALTER TABLE donation ADD authorized_at timestamptz;
        ALTER INDEX ix_donation_campaign_id_paid_at RENAME TO ix_donation_campaign_id_received_at;
        ALTER TABLE quarantined_payment RENAME paid_at TO received_at;
        ALTER TABLE quarantined_payment ADD authorized_at timestamptz;
        ALTER TABLE balance_transaction ADD charged_at timestamptz, ADD is_debit boolean NOT NULL DEFAULT false;
        UPDATE donation SET authorized_at = received_at WHERE received_at IS NOT NULL;
        UPDATE quarantined_payment SET authorized_at = received_at;
        ALTER TABLE donation ADD CONSTRAINT received_after_authorized CHECK (
            (authorized_at IS NULL) = (received_at IS NULL) AND authorized_at <= received_at);
        ALTER TABLE quarantined_payment ALTER authorized_at SET NOT NULL,
            ADD CONSTRAINT received_after_authorized CHECK (authorized_at <= received_at);
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE balance_transaction DROP charged_at, DROP is_debit;
        ALTER TABLE quarantined_payment DROP authorized_at;
        ALTER TABLE quarantined_payment RENAME received_at TO paid_at;
        ALTER TABLE donation DROP authorized_at;
        ALTER INDEX ix_donation_campaign_id_received_at RENAME TO ix_donation_campaign_id_paid_at;
        ALTER TABLE donation RENAME received_at TO paid_at;
    """)
