"""The reason of a dispute, the deadline for an answer to it, and the sum that a message about a reversal names.

A migration is small, reversible and safe while the previous version runs; this one comes before the first release, and adds a constraint
that the previous version does not keep.
"""

from alembic import op

revision = "dispute_details"
down_revision = "stripe"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE reversal
            ADD reason text NOT NULL DEFAULT '',
            ADD respond_by timestamptz;
        ALTER TABLE stripe_alert RENAME CONSTRAINT stripe_alert_is_raised_once TO one_alert_of_a_kind;
        ALTER TABLE outbox ADD cents bigint;
        UPDATE outbox SET cents = greatest(1, least(donation.amount_cents + donation.covered_fee_cents, CASE
                WHEN outbox.is_reinstatement THEN reversal.cents - reversal.posted_cents
                ELSE coalesce(nullif(reversal.posted_cents, 0), reversal.cents) END))
            FROM reversal, donation
            WHERE reversal.id = outbox.reversal_id AND donation.id = outbox.donation_id;
        ALTER TABLE outbox ADD CONSTRAINT reversal_has_a_sum CHECK ((reversal_id IS NULL) = (cents IS NULL) AND cents > 0);
    """)


def downgrade() -> None:
    op.execute("""
        ALTER TABLE outbox DROP cents;
        ALTER TABLE stripe_alert RENAME CONSTRAINT one_alert_of_a_kind TO stripe_alert_is_raised_once;
        ALTER TABLE reversal DROP reason, DROP respond_by;
    """)
