"""A campaign has bounds on the match that is held for people who have not paid; a bank debit may wait for its verification,
and staff may close a checkout.

A migration is small, reversible and safe while the previous version runs: the previous version neither reads nor writes these columns.
"""

from alembic import op

revision = "hold_bounds"
down_revision = "payment_moments"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE campaign
            ADD hold_share_percent bigint NOT NULL DEFAULT 50,
            ADD hold_checkout_percent bigint NOT NULL DEFAULT 10,
            ADD hold_checkout_cents bigint NOT NULL DEFAULT 100000,
            ADD hold_period_factor bigint NOT NULL DEFAULT 2,
            ADD hold_period_minutes bigint NOT NULL DEFAULT 120,
            ADD CONSTRAINT hold_bounds_are_sensible CHECK (
                hold_share_percent BETWEEN 0 AND 100 AND hold_checkout_percent BETWEEN 0 AND 100 AND hold_checkout_cents >= 0
                AND hold_period_factor >= 1 AND hold_period_minutes >= 0);
        ALTER TABLE donation ADD unverified_at timestamptz, ADD closed_by text;
        DROP INDEX ix_donation_open_client;
        CREATE INDEX ix_donation_unpaid_client ON donation (client_key) WHERE received_at IS NULL;
        CREATE INDEX ix_donation_unpaid_started ON donation (started_at) WHERE received_at IS NULL;
    """)


def downgrade() -> None:
    op.execute("""
        DROP INDEX ix_donation_unpaid_started;
        DROP INDEX ix_donation_unpaid_client;
        CREATE INDEX ix_donation_open_client ON donation (client_key) WHERE received_at IS NULL AND ended_at IS NULL;
        ALTER TABLE donation DROP unverified_at, DROP closed_by;
        ALTER TABLE campaign
            DROP CONSTRAINT hold_bounds_are_sensible,
            DROP hold_share_percent, DROP hold_checkout_percent, DROP hold_checkout_cents, DROP hold_period_factor, DROP hold_period_minutes;
    """)
