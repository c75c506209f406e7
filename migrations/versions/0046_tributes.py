"""Indexes by which staff list and find tributes. Writers wait while they are built, a second a million rows."""

from alembic import op

revision = "tributes"
down_revision = "posted"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_donation_tribute ON donation (received_at, id) WHERE tribute_kind IS NOT NULL AND received_at IS NOT NULL;
        CREATE INDEX ix_donation_tribute_words ON donation USING gin (search_words(tribute_name, ''::text)) WHERE tribute_kind IS NOT NULL;
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ix_donation_tribute_words, ix_donation_tribute")
