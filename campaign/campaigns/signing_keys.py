"""The signing key of each charity: its certificate bears the charity's legal name, which readers of a PDF show as who signed it."""

from contextlib import suppress
from datetime import UTC, datetime

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity, list_charities
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile, SigningKeyMissing
from campaign.edges.services import services


def signing_key_of(charity_id: int) -> KeyFile:
    """The key of this charity: of the first one in the file that the setting names, of others beside it."""
    first = list_charities()[0]
    own = services().signing_key
    return own if charity_id == first.id else own.beside(str(charity_id))


def signing_key_for(campaign_id: int) -> KeyFile:
    """The key of the charity whose campaign this is."""
    return signing_key_of(db.session.get_one(Campaign, campaign_id).charity_id)


def make_signing_key(charity: Charity) -> bool:
    """Create the key of the charity when there is none. Returns False when there is one already. Raises OSError."""
    return signing_key_of(charity.id).make(name=charity.legal_name, now=datetime.now(UTC))


def all_certificates() -> bytes:
    """The certificates of all charities in PEM, those of the first one first, without whose key is missing. Raises SigningKeyMissing without any."""
    found = b"".join(_certificates_of(charity) for charity in list_charities())
    return found or services().signing_key.certificates()


def _certificates_of(charity: Charity) -> bytes:
    with suppress(SigningKeyMissing):
        return signing_key_of(charity.id).certificates()
    return b""
