"""Links of funders end when they are not used for 45 days."""

from alembic import op

revision = "funder_links"
down_revision = "donor_merges"


def upgrade() -> None:
    op.execute("ALTER TABLE access_link ADD last_used_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE access_link DROP last_used_at")
