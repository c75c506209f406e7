"""The charity that receives the donations, with the legal details that its official receipts must carry.

Until these details are confirmed (`confirmed_at`), no official receipt is issued for real money. Who confirmed them is in
receipts/charity_confirmations.py; the database clears the moment when a printed detail changes.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import FetchedValue, ForeignKey, Text, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.rules import contact_addresses


class Charity(Base):
    """One registered charity. `address` is line by line, as on file with the Canada Revenue Agency.

    `series`, `yearly` or `continuous`, is how receipts are numbered. `bilingual_receipts` prints both languages on one page.
    `signature` is the SHA-256 of the picture of the signature (receipts/printed_pictures.py); without one, the name is printed in italics.
    `fiscal_year_end` is a month and a day, as `03-31`; `awaited_gifts_as` is how TP-985.22 counts gifts whose receipt is still to come
    (rules/return_lines.py).
    `logo` is the SHA-256 of the picture at the head of receipts (receipts/printed_pictures.py); without one, the charity's name is printed large.
    `page_logo` is that of the one at the head of donors' pages (campaigns/page_logos.py), which no confirmation is about.
    """

    __tablename__ = "charity"

    id: Mapped[int] = mapped_column(primary_key=True)
    legal_name: Mapped[str]
    name_en: Mapped[str]
    name_fr: Mapped[str]
    address: Mapped[list[str]] = mapped_column(ARRAY(Text))
    registration_number: Mapped[str]
    place_of_issue: Mapped[str]
    signatory_name: Mapped[str]
    signatory_title_en: Mapped[str]
    signatory_title_fr: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str] = mapped_column(server_default="")
    website: Mapped[str]
    privacy_officer: Mapped[str]
    time_zone: Mapped[str]
    confirmed_at: Mapped[datetime | None] = mapped_column(server_onupdate=FetchedValue())
    series: Mapped[str] = mapped_column(server_default="yearly")
    bilingual_receipts: Mapped[bool] = mapped_column(server_default="false")
    signature: Mapped[str | None] = mapped_column(ForeignKey("signature.sha256"))
    fiscal_year_end: Mapped[str] = mapped_column(server_default="12-31")
    awaited_gifts_as: Mapped[str] = mapped_column(server_default="receipted")
    logo: Mapped[str | None] = mapped_column(ForeignKey("logo.sha256"))
    page_logo: Mapped[str | None] = mapped_column(ForeignKey("page_logo.sha256"))

    def name(self, language: str) -> str:
        """The name on pages and in e-mails; receipts print `legal_name`."""
        return self.name_fr if language == "fr" else self.name_en

    @property
    def phone_url(self) -> str:
        """The address that calls the charity; empty without a phone number."""
        return contact_addresses.phone_url(self.phone)

    def signatory_title(self, *languages: str) -> str:
        """The signatory's title in these languages."""
        titles = [self.signatory_title_fr if language == "fr" else self.signatory_title_en for language in languages]
        return " / ".join(dict.fromkeys(titles))

    def local(self, moment: datetime) -> datetime:
        """The moment in the charity's time zone."""
        return moment.astimezone(ZoneInfo(self.time_zone))


def list_charities() -> list[Charity]:
    """All charities, the first one first."""
    return list(db.session.scalars(select(Charity).order_by(Charity.id)))


def time_zones() -> list[ZoneInfo]:
    """The time zones of all charities."""
    return [ZoneInfo(name) for name in db.session.scalars(select(Charity.time_zone).distinct())]
