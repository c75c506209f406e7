"""${message}

A migration is small, reversible and safe while the previous version runs. Data is repaired by a command with an audit entry instead.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    op.execute("")


def downgrade() -> None:
    op.execute("")
