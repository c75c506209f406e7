"""Funders: the people and organizations whose pledges the matching funds are."""

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base

ABROAD = "abroad"
PROVINCES = ("AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT", ABROAD)


class Funder(Base):
    """A funder. `legal_name`, `address` and `language` are for receipts of their payments; `email` is for notices, and may be empty.

    `is_registered_charity` is None until somebody has asked. A registered charity gets no official receipt, and its gifts are reported apart
    (T4033, line 4510): `registration_number` names it. It is empty for other funders, and for charities from before it was asked.
    One who `is_anonymous` is named on no page, email or document that donors or the public see, and neither are their funds.
    `province` is for the charity's returns: one of PROVINCES, or empty while it is not known.
    """

    __tablename__ = "funder"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_en: Mapped[str]
    name_fr: Mapped[str]
    is_registered_charity: Mapped[bool | None]
    registration_number: Mapped[str] = mapped_column(server_default="", default="")
    legal_name: Mapped[str] = mapped_column(server_default="", default="")
    address: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}", default=list)
    email: Mapped[str] = mapped_column(server_default="", default="")
    language: Mapped[str] = mapped_column(server_default="en", default="en")
    province: Mapped[str] = mapped_column(server_default="", default="")
    is_anonymous: Mapped[bool] = mapped_column(server_default="false", default=False)

    def name(self, language: str) -> str:
        """The funder's name in `en` or `fr`. Receipts print `legal_name` alone."""
        return self.name_fr if language == "fr" else self.name_en
