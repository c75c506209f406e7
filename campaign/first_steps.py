"""The first steps of an installation: the newest tables, the first campaign, ways in for staff and funders. The caller commits."""

import secrets
from datetime import UTC, datetime

from alembic import command as alembic
from alembic.config import Config as AlembicConfig
from flask import current_app
from sqlalchemy import text

from campaign.config import ROOT
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import audit, funds
from campaign.giving.campaigns import default_campaign
from campaign.giving.funds import Fund
from campaign.giving.staff import Staff, add_staff, reset_staff
from campaign.web.funders import LINK_LASTS, token_hash
from campaign.web.staff.sign_in import one_time_link

OPERATOR = "command line"
MIGRATION_LOCK = 7_203_640


def migrate() -> None:
    """Bring the database to the newest migration."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with db.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})  # Two installations at once take turns.
        connection.commit()
        config.attributes["connection"] = connection
        alembic.upgrade(config, "head")
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def make_receipt_key() -> bool:
    """The key that receipts are signed with, when there is none yet."""
    first = default_campaign()
    return outside().key.make(name=first.charity.legal_name if first else "Receipts", now=datetime.now(UTC))


def invite_staff(address: str, role: str) -> str:
    """A one-time link for a new member of staff; raises AlreadyStaff."""
    member = add_staff(address, role)
    audit.record(OPERATOR, "added staff", address, role=role)
    return _link(member)


def readmit_staff(address: str) -> str:
    """A one-time link for a member who lost phone or password; ends all that they had. Raises NotStaff."""
    member = reset_staff(address)
    audit.record(OPERATOR, "reset staff", address)
    return _link(member)


def _link(member: Staff) -> str:
    with current_app.test_request_context(base_url=outside().settings.base_url):
        return one_time_link(member)


def link_for_funder(fund: Fund, *, revoke: bool = False) -> str:
    """A new link to a fund's report; with `revoke` the only one that opens."""
    if revoke:
        audit.record(OPERATOR, "revoked funder links", fund.slug, links=funds.revoke_links(fund))
    token = secrets.token_urlsafe(32)
    funds.add_link(fund, token_hash=token_hash(token), expires_at=datetime.now(UTC) + LINK_LASTS)
    audit.record(OPERATOR, "made a funder link", fund.slug)
    return f"{outside().settings.base_url}/funder/links/{token}"
