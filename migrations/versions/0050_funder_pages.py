"""What the page of a funder needs: how many donors and gifts a fund matches by day, messages that may be shown, and funders without a public name."""

from alembic import op

revision = "funder_pages"
down_revision = "statements"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE fund_reach (
            fund_id bigint NOT NULL,
            day date NOT NULL,
            gift_cents bigint NOT NULL,
            donors bigint NOT NULL,
            CONSTRAINT pk_fund_reach PRIMARY KEY (fund_id, day),
            CONSTRAINT fund_reach_fund_id_exists FOREIGN KEY (fund_id) REFERENCES fund (id)
        );
        ALTER TABLE summed_days ADD COLUMN reach_until_on date;
        ALTER TABLE funder ADD COLUMN is_anonymous boolean NOT NULL DEFAULT false;
        CREATE TABLE shared_message (
            donation_id bigint NOT NULL,
            shared_at timestamptz NOT NULL DEFAULT now(),
            withdrawn_at timestamptz,
            decision text,
            decided_by text,
            decided_at timestamptz,
            CONSTRAINT pk_shared_message PRIMARY KEY (donation_id),
            CONSTRAINT shared_message_donation_id_exists FOREIGN KEY (donation_id) REFERENCES donation (id),
            CONSTRAINT decision_about_message_is_known CHECK (decision IN ('agreed', 'refused')),
            CONSTRAINT decision_about_message_names_who CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3))
        );
        CREATE INDEX ix_shared_message_agreed ON shared_message (donation_id) WHERE decision = 'agreed' AND withdrawn_at IS NULL;
        CREATE INDEX ix_shared_message_waiting ON shared_message (donation_id) WHERE decision IS NULL AND withdrawn_at IS NULL;
    """)


def downgrade() -> None:
    """Agreements to show messages are lost, and so is which funders are anonymous: their names are public again."""
    op.execute("""
        DROP TABLE shared_message;
        ALTER TABLE funder DROP COLUMN is_anonymous;
        ALTER TABLE summed_days DROP COLUMN reach_until_on;
        DROP TABLE fund_reach;
    """)
