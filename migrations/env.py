"""Runs migrations over the connection that `campaign setup` or a test hands in, else over DATABASE_URL."""

from alembic import context
from sqlalchemy import create_engine

import campaign  # all tables
from campaign.config import read_settings
from campaign.edges.db import Base

assert campaign.create_app is not None


def migrate(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    engine = create_engine(read_settings().database_url)
    with engine.connect() as own:
        migrate(own)
    engine.dispose()
