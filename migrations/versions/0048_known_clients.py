"""The index on the networks of unpaid gifts leaves out those whose network was erased. Writers wait while it is built, under a second a million rows."""

from alembic import op

revision = "known_clients"
down_revision = "remainders"


def upgrade() -> None:
    op.execute("""
        DROP INDEX ix_donation_unpaid_client;
        CREATE INDEX ix_donation_unpaid_client ON donation (client_key) WHERE received_at IS NULL AND client_key <> '';
    """)


def downgrade() -> None:
    op.execute("""
        DROP INDEX ix_donation_unpaid_client;
        CREATE INDEX ix_donation_unpaid_client ON donation (client_key) WHERE received_at IS NULL;
    """)
