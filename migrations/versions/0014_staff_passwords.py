"""The email with which a member of staff chooses a password goes through the outbox as all others do."""

from alembic import op

revision = "staff_passwords"
down_revision = "staff_sessions"

KINDS = (
    *("receipt", "acknowledgement", "receipt_copy", "annual_receipt", "reversal", "match_increased", "payment_failed", "instalment_failed"),
    *("recurring_gift_ended", "recurring_gift_link", "funder_payment", "pledge_matched", "staff_todo"),
    *("donor_access", "recurring_gift_changed", "receipt_choice_changed", "email_change", "email_changed", "address_changed"),
)


def upgrade() -> None:
    _allow_kinds((*KINDS, "staff_access"), "'staff_todo', 'staff_access'")


def downgrade() -> None:
    op.execute("DELETE FROM outbox WHERE kind = 'staff_access'")
    _allow_kinds(KINDS, "'staff_todo'")


def _allow_kinds(kinds: tuple[str, ...], of_staff: str) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute(f"""
        ALTER TABLE outbox
            DROP CONSTRAINT kind_of_message_is_known,
            DROP CONSTRAINT message_is_about_donation,
            DROP CONSTRAINT payload_fits_kind,
            ADD CONSTRAINT kind_of_message_is_known CHECK (kind IN ({listed})),
            ADD CONSTRAINT message_is_about_donation CHECK ((donation_id IS NULL) = (kind IN ('funder_payment', 'pledge_matched', {of_staff}))),
            ADD CONSTRAINT payload_fits_kind CHECK (
                (reversal_id IS NOT NULL) = (kind = 'reversal') AND (is_reinstatement IS NOT NULL) = (kind = 'reversal')
                AND (receipt_id IS NOT NULL) = (kind = 'annual_receipt') AND (invoice IS NOT NULL) = (kind = 'instalment_failed')
                AND (funder_payment_id IS NOT NULL) = (kind = 'funder_payment') AND (fund_id IS NOT NULL) = (kind = 'pledge_matched')
                AND (staff_id IS NOT NULL) = (kind IN ({of_staff}))
            );
    """)
