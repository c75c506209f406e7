"""Reply-To of emails, and delays of delivery that mail servers have reported."""

from alembic import op

revision = "mail_bounces"
down_revision = "returned_at"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE frozen_email ADD reply_to text;
        CREATE TABLE delivery_delay (
            outbox_id bigint NOT NULL,
            status text NOT NULL,
            diagnostic text NOT NULL,
            reported_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_delivery_delay PRIMARY KEY (outbox_id, status),
            CONSTRAINT delivery_delay_outbox_id_exists FOREIGN KEY (outbox_id) REFERENCES outbox (id)
        );
    """)


def downgrade() -> None:
    op.execute("""
        DROP TABLE delivery_delay;
        ALTER TABLE frozen_email DROP reply_to;
    """)
