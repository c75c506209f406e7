"""Operations that set up an installation: migrations, the receipt key, links for staff and funders. The caller commits, except for `set_up`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from alembic import command as alembic
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import list_charities
from campaign.campaigns.signing_keys import make_signing_key
from campaign.cli.first_campaign import create_first_campaign
from campaign.config import Settings, SettingsError, resource
from campaign.edges.db import db, engine_options
from campaign.edges.services import services
from campaign.funders import access_links
from campaign.funders.contributors import FundContributor
from campaign.ledger import privileges
from campaign.matching.funds import Fund
from campaign.outbox import messages
from campaign.staff import audit
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Staff, add_staff, reset_staff
from campaign.staff.password_links import one_time_link

OPERATOR = "command line"
SETUP_LOCK = 7_203_640
INSUFFICIENT_PRIVILEGE = "42501"  # as PostgreSQL names it

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """What a set-up has created: the first campaign, None when there was one, and the key that signs receipts; and whether the service has a role."""

    campaign: Campaign | None
    has_new_key: bool
    has_service_role: bool


def set_up() -> SetUp:
    """Migrate the database, and create the first campaign and the receipt key if they do not exist. Commits. Raises SettingsError."""
    with _exclusively():
        migrate()
        created = create_first_campaign()
        has_service_role = privileges.create_role(db.session.connection())
        db.session.commit()
        return SetUp(campaign=created, has_new_key=make_receipt_keys(), has_service_role=has_service_role)


@contextmanager
def _exclusively() -> Iterator[None]:
    """Set-ups that are started at the same time run one after the other, so that the second finds what the first has created."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        # Waits for as long as the other set-up takes: migrations may be slow.
        guard.execute(text("SET lock_timeout = 0; SET statement_timeout = 0"))
        guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": SETUP_LOCK})
        try:
            yield
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": SETUP_LOCK})
            guard.execute(text("RESET lock_timeout; RESET statement_timeout"))


def migrate() -> None:
    """Upgrade the database to the newest migration, and let the service's role have what it needs.

    Raises SettingsError when the database has a revision that this version does not know, or when its owner has to upgrade it.
    """
    config = AlembicConfig()
    config.set_main_option("script_location", str(resource("migrations")))
    with db.engine.connect() as connection:
        _refuse_unknown_revision(connection, config)
        config.attributes["connection"] = connection
        try:
            alembic.upgrade(config, "head")
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
                raise
            raise SettingsError(
                "The database has to be migrated by the owner of its tables: run `campaign setup` with the owner's DATABASE_URL"
                f" ({str(error.orig).splitlines()[0]})."
            ) from None
        connection.commit()


def _refuse_unknown_revision(connection: Connection, config: AlembicConfig) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    if current is not None and current not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        raise SettingsError(
            f"The database has the revision {current}, which this version does not know. If it is a development database from before the"
            " first release: stop the service, remove the directory var/ and start again; where DATABASE_URL names the database, create an empty one."
        )


def warn_if_owner(settings: Settings) -> None:
    """Log that the service would connect as the owner of its tables, if so; silent while the database is unreachable."""
    engine = create_engine(settings.database_url, poolclass=NullPool, connect_args=engine_options()["connect_args"])
    with suppress(OperationalError), engine.connect() as connection:
        if privileges.is_owner(connection):
            log.warning(
                "database.owner", advice=f"the service can change its own books: let it connect as a member of {privileges.SERVICE}"
            )


def make_receipt_keys() -> bool:
    """Create the keys that sign the receipts of each charity. Returns False when all exist already."""
    charities = list_charities()
    if not charities:
        return services().signing_key.make(name="Receipts", now=datetime.now(UTC))
    created = [make_signing_key(charity) for charity in charities]
    return any(created)


def invite_staff(address: str, role: str) -> str:
    """Add a member of staff and return a one-time sign-in link. Raises AlreadyStaff."""
    member = add_staff(address, role)
    audit.record(OPERATOR, "added staff", address, role=role)
    return _link(member)


def reset_staff_access(address: str) -> str:
    """Reset a member's password, second factors and sessions, which they are notified of, and return a one-time sign-in link. Raises NotStaff."""
    member = reset_staff(address)
    audit.record(OPERATOR, "reset staff", address)
    messages.enqueue_factor_change(member.id, FactorChange.RESET)
    return _link(member)


def _link(member: Staff) -> str:
    return one_time_link(member)


def create_funder_link(fund: Fund, *, contributor: FundContributor | None = None, revoke: bool = False) -> str:
    """Create a link to a fund's report, for its lead funder or the contributor, and return its address. With `revoke`, their earlier links end."""
    if revoke:
        access_links.revoke_links(fund, contributor=contributor, actor=OPERATOR)
    return access_links.create_link(fund, contributor=contributor, actor=OPERATOR)
