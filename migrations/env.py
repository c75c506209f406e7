"""Runs migrations over the connection that `campaign setup` or a test passes, or else over DATABASE_URL.

After the migrations, the current functions and triggers are installed (campaign/ledger/triggers), and the service's role gets its privileges
(campaign/ledger/privileges.py).
"""

from alembic import context
from sqlalchemy import create_engine, inspect

import campaign  # registers all tables
from campaign.config import read_settings
from campaign.edges.db import Base
from campaign.ledger.privileges import grant_privileges
from campaign.ledger.triggers import install_triggers

assert campaign.create_app is not None


def migrate(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    if inspect(connection).has_table("ledger_entry"):
        install_triggers(connection)
        grant_privileges(connection)
        connection.commit()


passed_connection = context.config.attributes.get("connection")
if passed_connection is not None:
    migrate(passed_connection)
else:
    engine = create_engine(read_settings().database_url)
    with engine.connect() as new_connection:
        migrate(new_connection)
    engine.dispose()
