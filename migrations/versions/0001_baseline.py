"""The tables of the first release.

Migrations from before the first release were squashed into this one; a database from that time cannot be upgraded.
"""

from pathlib import Path

from alembic import op

from campaign.ledger.triggers import function_names

revision = "baseline"
down_revision = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), execution_options={"no_parameters": True})


def downgrade() -> None:
    tables = op.get_bind().exec_driver_sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'alembic_version'"
    )
    op.execute("DROP TABLE " + ", ".join(name for (name,) in tables) + " CASCADE")
    op.execute("DROP SEQUENCE stripe_snapshot_number")
    op.execute("DROP FUNCTION IF EXISTS " + ", ".join(function_names()) + " CASCADE")
