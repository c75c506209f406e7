"""Confirmations of a charity's details: who confirmed which details, when, and which sample receipts with them were opened before.

Each is a row that never changes. `Charity.confirmed_at` is the moment of the one in force; the database clears it when a printed detail changes
(triggers/clear_confirmation.sql), and accepts no other moment (triggers/refuse_bare_confirmation.sql).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import FetchedValue, ForeignKey, Index, exists, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges import pdf, pictures
from campaign.edges.db import Base, db
from campaign.receipts import printed_pictures
from campaign.receipts.printed_pictures import Logo, Signature
from campaign.rules import charity_details
from campaign.rules.charity_details import CharityDetails, Detail, Finding, text_of
from campaign.rules.receipt_requirements import LANGUAGES

TABLES = {Detail.SIGNATURE: Signature, Detail.LOGO: Logo}


class DetailsNotReal(Exception):
    """Details are not real; `findings` says which, and why."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(", ".join(f"{finding.detail}: {finding.problem}" for finding in findings))
        self.findings = findings


class OpenedSample(Base):
    """A sample receipt in one language that somebody opened. `fingerprint` is that of the details on it; `opened_by` is a member or the command line."""

    __tablename__ = "opened_sample"
    __table_args__ = (Index("ix_opened_sample_charity_id", "charity_id", "opened_by", "fingerprint"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    fingerprint: Mapped[str]
    language: Mapped[str]
    opened_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class CharityConfirmation(Base):
    """One confirmation. `actor` is the person who confirmed; `opened_by` is who opened the samples; `fingerprint` is that of the details.

    The database stores the details with it. Confirmations from before have none, nor those of before samples a fingerprint.
    """

    __tablename__ = "charity_confirmation"
    __table_args__ = (Index("ix_charity_confirmation_charity_id", "charity_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    opened_by: Mapped[str | None]
    fingerprint: Mapped[str]
    details: Mapped[dict[str, Any] | None] = mapped_column(server_default=FetchedValue())


def details_of(charity: Charity) -> CharityDetails:
    """The charity's details as receipts print them, and how donors reach it."""
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
        email=charity.email,
        phone=charity.phone,
        website=charity.website,
        privacy_officer=charity.privacy_officer,
        signature=charity.signature or "",
        logo=charity.logo or "",
    )


def findings_of(charity: Charity) -> list[Finding]:
    """What is not real about the details, or cannot be printed, the stored pictures included; empty when they may be confirmed."""
    details = details_of(charity)
    texts = {detail: text_of(details, detail) for detail in Detail}
    stored = [kind for kind in TABLES if texts[kind]]
    usable = {kind for kind in stored if not pictures.flaw_of(printed_pictures.get_picture(TABLES[kind], texts[kind]))}
    # One trial for all texts, and one for each only if something cannot be printed.
    printed = {detail: text for detail, text in texts.items() if detail not in TABLES}
    is_printable = not pdf.first_unprintable(*printed.values())
    unprintable = {} if is_printable else {detail: pdf.first_unprintable(text) for detail, text in printed.items()}
    return charity_details.list_findings(details, usable_pictures=usable, unprintable=unprintable)


def unreal_contacts(charity: Charity) -> list[Detail]:
    """At which addresses donors do not reach the charity: those that `campaign setup` wrote stay until somebody sets real ones."""
    found = charity_details.list_findings(details_of(charity), usable_pictures=charity_details.PICTURES)
    return [finding.detail for finding in found if finding.detail in charity_details.CONTACTS]


def fingerprint_of(charity: Charity) -> str:
    """The fingerprint of the details as they are now."""
    return charity_details.fingerprint_of(details_of(charity))


def record_opened(charity: Charity, *, fingerprint: str, language: str, opened_by: str) -> None:
    """Record that a sample with the details of this fingerprint was opened."""
    db.session.add(OpenedSample(charity_id=charity.id, fingerprint=fingerprint, language=language, opened_by=opened_by))


def unopened_languages(charity: Charity, *, opened_by: str) -> list[str]:
    """The languages in which they have not opened a sample of the details as they are now."""
    o = OpenedSample
    is_theirs = (o.charity_id == charity.id, o.opened_by == opened_by, o.fingerprint == fingerprint_of(charity))
    opened = set(db.session.scalars(select(o.language).where(*is_theirs)))
    return [language for language in LANGUAGES if language not in opened]


def has_opened_any(charity: Charity, languages: Collection[str], *, opened_by: str) -> bool:
    """Whether they opened a sample in one of these languages, of the details as they are or of earlier ones."""
    o = OpenedSample
    is_theirs = (o.charity_id == charity.id, o.opened_by == opened_by, o.language.in_(languages))
    return db.session.scalar(select(exists().where(*is_theirs))) is True


def confirm(charity: Charity, *, actor: str, opened_by: str) -> CharityConfirmation:
    """Record that the details as they are now are confirmed. The caller has locked the charity."""
    confirmation = CharityConfirmation(charity_id=charity.id, actor=actor, opened_by=opened_by, fingerprint=fingerprint_of(charity))
    db.session.add(confirmation)
    db.session.flush()
    charity.confirmed_at = confirmation.at
    db.session.flush()
    return confirmation


def confirmed_details(charity: Charity) -> dict[str, Any]:
    """The details that somebody confirmed last, by their names; empty when nobody has, or before they were stored."""
    c = CharityConfirmation
    last = select(c.details).where(c.charity_id == charity.id).order_by(c.at.desc(), c.id.desc()).limit(1)
    return db.session.scalar(last) or {}


def list_confirmations(charity: Charity, *, limit: int) -> list[CharityConfirmation]:
    """The confirmations of the charity's details, the latest first."""
    c = CharityConfirmation
    return list(db.session.scalars(select(c).where(c.charity_id == charity.id).order_by(c.at.desc(), c.id.desc()).limit(limit)))
