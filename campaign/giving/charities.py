"""The charity: who asks, who receives, and what its official receipts must say.

Until staff have confirmed the legal details (`confirmed_at`), no official receipt leaves with real money.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base


class Charity(Base):
    """One registered charity. `address` is line by line, as on file with the Canada Revenue Agency.

    Receipts are numbered in a `series` that is yearly or continuous. `bilingual_receipts` prints both languages on one page.
    `signature` names the picture of the signature (signatures.py); without one, the name is set in italics.
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
    website: Mapped[str]
    privacy_officer: Mapped[str]
    time_zone: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    series: Mapped[str] = mapped_column(server_default="yearly")
    bilingual_receipts: Mapped[bool] = mapped_column(server_default="false")
    signature: Mapped[str | None] = mapped_column(ForeignKey("signature.sha256"))

    def name(self, language: str) -> str:
        """The name on pages and mails; receipts print `legal_name`."""
        return self.name_fr if language == "fr" else self.name_en

    def signatory_title(self, language: str) -> str:
        """What the signatory is at the charity."""
        return self.signatory_title_fr if language == "fr" else self.signatory_title_en

    def local(self, moment: datetime) -> datetime:
        """The moment by the charity's clocks."""
        return moment.astimezone(ZoneInfo(self.time_zone))
