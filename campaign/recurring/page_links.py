"""Links to the pages of donors: renewed for one donor, or for all after a leak of SECRET_KEY. The links in earlier emails end.

A link depends on the key that it was made with. So a rotation stores the hashes of the links in earlier emails, and the old key can go.
"""

from sqlalchemy import Column, ColumnElement, Row, Select, Table, bindparam, select, update

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.page_tokens import Page, derive_page_token
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.recurring.recurring_gifts import RecurringGift

_DONATION, _GIFT = Donation.metadata.tables["donation"], Donation.metadata.tables[RecurringGift.__tablename__]
TABLES = {Page.DONATION: _DONATION, Page.RECURRING_GIFT: _GIFT}
# The column of the donation whose public id is in the token.
NAMED_BY: dict[Page, Column[int]] = {Page.DONATION: _DONATION.c.id, Page.RECURRING_GIFT: _GIFT.c.donation_id}
BATCH = 1000
# What the audit trail says of a key whose links were ended: they are never stored again.
ENDED = "ended all links by a key"


def name_of(secret: str) -> str:
    """What names a SECRET_KEY without telling anything of it."""
    return f"key {token_hash(SecretKeys(secret=secret).current(Purpose.PAGE)).hex()[:16]}"


def renew_links(donor_id: int) -> None:
    """Give all gifts of the donor new links."""
    own = select(_DONATION.c.id).where(_DONATION.c.donor_id == donor_id)
    for page, table in TABLES.items():
        _raise_versions(table, NAMED_BY[page].in_(own))


def renew_all_links() -> None:
    """Give all gifts new links: nobody who has learned a key can make one of them."""
    for table in TABLES.values():
        _raise_versions(table, table.c.id > 0)


def _raise_versions(table: Table, condition: ColumnElement[bool]) -> None:
    renewed = update(table).where(condition).values(link_version=table.c.link_version + 1, former_token_hash=None)
    db.session.execute(renewed)
    db.session.expire_all()


def store_links_of(secret: str) -> int:
    """Store the hash of each link by an earlier SECRET_KEY, so that it works when that key has gone. Returns their number."""
    return sum(_store_links(page, table, SecretKeys(secret=secret)) for page, table in TABLES.items())


def _store_links(page: Page, table: Table, keys: SecretKeys) -> int:
    count, last = 0, 0
    store = update(table).where(table.c.id == bindparam("row")).values(former_token_hash=bindparam("hash"))
    while rows := db.session.execute(_links_after(page, table, last)).all():
        db.session.execute(store, [{"row": row.id, "hash": _hash_of(keys, page, row)} for row in rows])
        count, last = count + len(rows), rows[-1].id
    db.session.expire_all()
    return count


def _links_after(page: Page, table: Table, last: int) -> Select[tuple[int, str, int]]:
    first = _DONATION.alias("first")
    links = select(table.c.id, first.c.public_id, table.c.link_version).join(first, first.c.id == NAMED_BY[page])
    return links.where(table.c.id > last).order_by(table.c.id).limit(BATCH)


def _hash_of(keys: SecretKeys, page: Page, row: Row[tuple[int, str, int]]) -> bytes:
    return token_hash(derive_page_token(keys, page, row.public_id, row.link_version))
