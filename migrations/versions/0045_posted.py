"""Letters to donors without an email address, about a receipt on paper that is cancelled: which were posted, and by whom."""

from alembic import op

revision = "posted"
down_revision = "privacy"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE posted_notice (
            receipt_id bigint NOT NULL,
            posted_by text NOT NULL,
            posted_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_posted_notice PRIMARY KEY (receipt_id),
            CONSTRAINT posted_notice_receipt_id_exists FOREIGN KEY (receipt_id) REFERENCES receipt (id)
        )
    """)


def downgrade() -> None:
    """That a letter was posted is lost: it is in the audit trail."""
    op.execute("DROP TABLE posted_notice")
