"""An account of the journal for cheques and cash before their deposit, and whether a member uses the shortcut of one key.

Gifts that were reversed as a whole leave the open deposit of their charity, which are few. Members get a column with a constant default.
"""

from alembic import op

revision = "books"
down_revision = "donor_notes"

PURPOSES = ("stripe", "bank", "donations", "donations_returned", "covered_fees", "fees", "funders")


def upgrade() -> None:
    _allow((*PURPOSES, "undeposited"))
    op.execute("ALTER TABLE staff ADD has_slash_shortcut boolean NOT NULL DEFAULT true")
    op.execute("""
        UPDATE offline_gift g SET deposit_id = NULL FROM deposit p WHERE p.id = g.deposit_id AND p.closed_at IS NULL AND EXISTS (
            SELECT FROM offline_reversal r JOIN donation d ON d.id = r.donation_id
            WHERE r.donation_id = g.donation_id AND r.cents = d.amount_cents)
    """)


def downgrade() -> None:
    op.execute("""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM journal_account WHERE purpose = 'undeposited') THEN
                RAISE EXCEPTION 'the account of undeposited funds was named: the version before does not know it';
            END IF;
        END $$
    """)
    op.execute("ALTER TABLE staff DROP has_slash_shortcut")
    _allow(PURPOSES)


def _allow(purposes: tuple[str, ...]) -> None:
    op.execute(f"""
        ALTER TABLE journal_account
            DROP CONSTRAINT purpose_of_account_is_known,
            ADD CONSTRAINT purpose_of_account_is_known CHECK (purpose IN ({", ".join(f"'{purpose}'" for purpose in purposes)}))
    """)
