"""${message}

Small, reversible, safe under the running version; data repair is a command with an audit row, never a migration.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    op.execute("")


def downgrade() -> None:
    op.execute("")
