"""Refunds and disputes are as the latest look at Stripe has seen them, not as the latest event told of them."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE stripe_look")
    op.execute("ALTER TABLE money_back ADD COLUMN look bigint NOT NULL DEFAULT 0, DROP COLUMN as_of")
    op.execute("ALTER TABLE money_back ALTER COLUMN look DROP DEFAULT")


def downgrade() -> None:
    op.execute("ALTER TABLE money_back ADD COLUMN as_of timestamptz NOT NULL DEFAULT now(), DROP COLUMN look")
    op.execute("ALTER TABLE money_back ALTER COLUMN as_of DROP DEFAULT")
    op.execute("DROP SEQUENCE stripe_look")
