"""When a campaign became public and closed to gifts, whether the match counts toward its goal, and its picture.

Campaigns from before are public since they were created. The slug, charity and currency of one that was public never change.
"""

from alembic import op

revision = "campaign_pages"
down_revision = "indexes_at_size"


def upgrade() -> None:
    # After a downgrade the function is there without its trigger: both are installed again after the migrations.
    op.execute("DROP FUNCTION IF EXISTS refuse_public_campaign_change()")
    op.execute("""
        CREATE TABLE campaign_picture (
            sha256 text NOT NULL,
            jpeg bytea NOT NULL,
            width bigint NOT NULL,
            height bigint NOT NULL,
            added_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_campaign_picture PRIMARY KEY (sha256),
            CONSTRAINT hash_of_campaign_picture CHECK (sha256 = encode(sha256(jpeg), 'hex'))
        );
        ALTER TABLE campaign
            ADD match_counts boolean NOT NULL DEFAULT true,
            ADD picture text CONSTRAINT campaign_picture_exists REFERENCES campaign_picture (sha256),
            ADD picture_alt_en text NOT NULL DEFAULT '',
            ADD picture_alt_fr text NOT NULL DEFAULT '',
            ADD opened_at timestamptz,
            ADD closed_at timestamptz,
            ADD hidden_at timestamptz;
        UPDATE campaign SET opened_at = created_at;
        ALTER TABLE campaign ADD CONSTRAINT closed_campaign_was_open CHECK (opened_at IS NOT NULL OR (closed_at IS NULL AND hidden_at IS NULL))
    """)


def downgrade() -> None:
    """A draft becomes public, and the pictures and switches are lost."""
    op.execute("""
        DROP TRIGGER IF EXISTS public_campaign_stays ON campaign;
        ALTER TABLE campaign
            DROP CONSTRAINT closed_campaign_was_open,
            DROP match_counts, DROP picture, DROP picture_alt_en, DROP picture_alt_fr, DROP opened_at, DROP closed_at, DROP hidden_at;
        DROP TABLE campaign_picture
    """)
