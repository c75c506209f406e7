"""What the gifts of a campaign go to, as its sentences name it."""

from alembic import op

revision = "faces"
down_revision = "tribute_cards"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE campaign
            ADD cause_en text NOT NULL DEFAULT 'research',
            ADD cause_fr text NOT NULL DEFAULT 'la recherche',
            ADD CONSTRAINT cause_is_short CHECK (length(cause_en) BETWEEN 1 AND 60 AND length(cause_fr) BETWEEN 1 AND 60);
    """)


def downgrade() -> None:
    """What the gifts go to is lost: sentences name research again."""
    op.execute("ALTER TABLE campaign DROP cause_en, DROP cause_fr")
