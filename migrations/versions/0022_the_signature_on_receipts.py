"""The signature of who signs receipts, as a picture: kept for good, as what was printed with it must come out the same."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE signature (
            sha256 text CONSTRAINT pk_signature PRIMARY KEY,
            png bytea NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT hash_is_of_the_picture CHECK (sha256 = encode(sha256(png), 'hex'))
        )
    """)
    op.execute("CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signature FOR EACH ROW EXECUTE FUNCTION refuse_change()")
    op.execute("CREATE TRIGGER never_truncated BEFORE TRUNCATE ON signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()")
    op.execute("""
        ALTER TABLE charity ADD COLUMN signature text CONSTRAINT charity_signature_exists REFERENCES signature (sha256)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE charity DROP COLUMN signature")
    op.execute("DROP TABLE signature")
