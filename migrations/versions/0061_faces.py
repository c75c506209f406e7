"""What the gifts of a campaign go to, the logo of a charity on the pages of donors, and the people behind a fund: their words and portrait."""

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
        CREATE TABLE portrait (
            sha256 text NOT NULL,
            jpeg bytea NOT NULL,
            side bigint NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_portrait PRIMARY KEY (sha256),
            CONSTRAINT hash_of_portrait CHECK (sha256 = encode(sha256(jpeg), 'hex'))
        );
        CREATE TABLE fund_introduction (
            fund_id bigint NOT NULL,
            words_en text NOT NULL DEFAULT '',
            words_fr text NOT NULL DEFAULT '',
            name_en text NOT NULL DEFAULT '',
            name_fr text NOT NULL DEFAULT '',
            portrait text,
            portrait_alt_en text NOT NULL DEFAULT '',
            portrait_alt_fr text NOT NULL DEFAULT '',
            CONSTRAINT pk_fund_introduction PRIMARY KEY (fund_id),
            CONSTRAINT fund_introduction_fund_id_exists FOREIGN KEY (fund_id) REFERENCES fund (id),
            CONSTRAINT fund_introduction_portrait_exists FOREIGN KEY (portrait) REFERENCES portrait (sha256),
            CONSTRAINT words_of_funder_are_in_both_languages CHECK ((words_en = '') = (words_fr = '')),
            CONSTRAINT words_of_funder_are_short CHECK (length(words_en) <= 400 AND length(words_fr) <= 400),
            CONSTRAINT what_is_shown_is_named CHECK (
                (name_en <> '') = (words_en <> '' OR portrait IS NOT NULL) AND (name_en = '') = (name_fr = '')
            ),
            CONSTRAINT portrait_is_described CHECK (
                (portrait IS NOT NULL) = (portrait_alt_en <> '') AND (portrait_alt_en = '') = (portrait_alt_fr = '')
            )
        );
        CREATE INDEX ix_fund_introduction_portrait ON fund_introduction (portrait);
    """)


def downgrade() -> None:
    """What the gifts go to is lost, so that sentences name research again; and so are the logos of pages, and words and portraits of funders."""
    op.execute("""
        ALTER TABLE campaign DROP cause_en, DROP cause_fr;
        ALTER TABLE charity DROP page_logo;
        DROP TABLE page_logo, fund_introduction, portrait;
    """)
