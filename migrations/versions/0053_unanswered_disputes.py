"""An index of the disputes that Stripe wants an answer to: staff are shown their number on their first page."""

from alembic import op

revision = "unanswered_disputes"
down_revision = "funder_reports"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_reversal_unanswered ON reversal (id)
            WHERE kind = 'dispute' AND status IN ('needs_response', 'warning_needs_response', 'appeal_needs_response')
    """)


def downgrade() -> None:
    op.execute("DROP INDEX ix_reversal_unanswered")
