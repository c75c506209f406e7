"""Confirmations of a charity's details: who confirmed which details, when, having seen a sample receipt with them.

Each is a row that never changes. `Charity.confirmed_at` is the moment of the one in force; the database clears it when a printed detail changes
(triggers/clear_confirmation.sql), and accepts no other moment (triggers/refuse_bare_confirmation.sql).
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges import pictures
from campaign.edges.db import Base, db
from campaign.receipts import signatures
from campaign.rules import charity_details
from campaign.rules.charity_details import CharityDetails, Finding


class CharityConfirmation(Base):
    """One confirmation. `actor` is the person who confirmed; `fingerprint` is that of the details, empty before samples were made."""

    __tablename__ = "charity_confirmation"
    __table_args__ = (Index("ix_charity_confirmation_charity_id", "charity_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    fingerprint: Mapped[str]


def details_of(charity: Charity) -> CharityDetails:
    """The charity's details as receipts print them."""
    return CharityDetails(
        legal_name=charity.legal_name,
        name_en=charity.name_en,
        name_fr=charity.name_fr,
        address=tuple(charity.address),
        registration_number=charity.registration_number,
        place_of_issue=charity.place_of_issue,
        signatory_name=charity.signatory_name,
        signatory_title_en=charity.signatory_title_en,
        signatory_title_fr=charity.signatory_title_fr,
        signature=charity.signature or "",
    )


def findings_of(charity: Charity) -> list[Finding]:
    """What is not real about the details, the stored picture of the signature included; empty when they may be confirmed."""
    details = details_of(charity)
    has_picture = bool(details.signature) and pictures.flaw_of(signatures.get_picture(details.signature)) is None
    return charity_details.list_findings(details, has_usable_picture=has_picture)


def fingerprint_of(charity: Charity) -> str:
    """The fingerprint of the details as they are now."""
    return charity_details.fingerprint_of(details_of(charity))


def confirm(charity: Charity, *, actor: str) -> CharityConfirmation:
    """Record that the details as they are now are confirmed. The caller has locked the charity."""
    confirmation = CharityConfirmation(charity_id=charity.id, actor=actor, fingerprint=fingerprint_of(charity))
    db.session.add(confirmation)
    db.session.flush()
    charity.confirmed_at = confirmation.at
    db.session.flush()
    return confirmation


def list_confirmations(charity: Charity, *, limit: int) -> list[CharityConfirmation]:
    """The confirmations of the charity's details, the latest first."""
    c = CharityConfirmation
    return list(db.session.scalars(select(c).where(c.charity_id == charity.id).order_by(c.at.desc(), c.id.desc()).limit(limit)))
