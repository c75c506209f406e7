"""What the gifts of a campaign go to, as its sentences name it; and the logo of a charity on the pages of donors."""

from alembic import op

revision = "faces"
down_revision = "tribute_cards"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE campaign
            ADD cause_en text NOT NULL DEFAULT 'research',
            ADD cause_fr text NOT NULL DEFAULT 'la recherche',
            ADD CONSTRAINT cause_is_short CHECK (length(cause_en) BETWEEN 1 AND 60 AND length(cause_fr) BETWEEN 1 AND 60);
        CREATE TABLE page_logo (
            sha256 text NOT NULL,
            png bytea NOT NULL,
            width bigint NOT NULL,
            height bigint NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_page_logo PRIMARY KEY (sha256),
            CONSTRAINT hash_of_page_logo CHECK (sha256 = encode(sha256(png), 'hex')),
            CONSTRAINT page_logo_is_small CHECK (width BETWEEN 1 AND 600 AND height BETWEEN 1 AND 200)
        );
        ALTER TABLE charity ADD page_logo text CONSTRAINT charity_page_logo_exists REFERENCES page_logo (sha256);
    """)


def downgrade() -> None:
    """What the gifts go to is lost, so that sentences name research again; and so are the logos of pages."""
    op.execute("""
        ALTER TABLE campaign DROP cause_en, DROP cause_fr;
        ALTER TABLE charity DROP page_logo;
        DROP TABLE page_logo;
    """)
