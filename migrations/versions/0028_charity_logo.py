"""The charity's logo, printed at the head of receipts. Rows are only added, as those of signatures are."""

from alembic import op

revision = "charity_logo"
down_revision = "receipt_declaration"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE logo (
            sha256 text NOT NULL,
            png bytea NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_logo PRIMARY KEY (sha256),
            CONSTRAINT hash_of_logo CHECK (sha256 = encode(sha256(png), 'hex'))
        );
        ALTER TABLE charity ADD logo text CONSTRAINT charity_logo_exists REFERENCES logo (sha256)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE charity DROP logo; DROP TABLE logo")
