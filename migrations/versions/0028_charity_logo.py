"""The charity's logo, printed at the head of receipts. Rows are only added, as those of signatures are."""

from alembic import op

revision = "charity_logo"
down_revision = "role_since"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE logo (
            sha256 varchar PRIMARY KEY,
            png bytea NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now()
        );
        ALTER TABLE charity ADD logo varchar REFERENCES logo (sha256)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE charity DROP logo; DROP TABLE logo")
