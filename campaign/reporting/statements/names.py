"""The names and the time zone that a statement states: those in force at its end, from a history that a trigger writes (state_names.sql)."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.funders.contributors import contributors_of
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.rules.local_time import end_of_day


class StatedName(Base):
    """What a charity, campaign, fund or funder was called from `at` on: `facts` are columns of its row. Those of before the history are of 1970."""

    __tablename__ = "stated_name"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    subject_id: Mapped[int]
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]


Index("ix_stated_name_subject_subject_id", StatedName.subject, StatedName.subject_id)


@dataclass(frozen=True, kw_only=True)
class Names:
    """The facts of each, by the names of their columns."""

    charity: dict[str, Any]
    campaign: dict[str, Any]
    fund: dict[str, Any]
    funder: dict[str, Any]

    def fund_name(self, language: str) -> str:
        """The fund's public name."""
        return str(self.fund[f"name_{language}"])

    def funder_name(self, language: str) -> str:
        """The funder's public name."""
        return str(self.funder[f"name_{language}"])

    def campaign_title(self, language: str) -> str:
        """The campaign's title."""
        return str(self.campaign[f"title_{language}"])


def lock_names(fund: Fund) -> None:
    """Let no name of the fund, its campaign, charity and funders change until the transaction ends: a later change has a later moment."""
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    for table, row_id in ((Charity, campaign.charity_id), (Campaign, campaign.id), (Fund, fund.id)):
        db.session.execute(select(table.id).where(table.id == row_id).with_for_update(read=True))
    funders = [fund.funder_id, *(one.funder_id for one in contributors_of(fund))]
    db.session.execute(select(Funder.id).where(Funder.id.in_(funders)).order_by(Funder.id).with_for_update(read=True))


def names_at(fund: Fund, moment: datetime) -> Names:
    """The names in force just before the moment; of a row that is younger, its first ones."""
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    ids = {Charity: campaign.charity_id, Campaign: campaign.id, Fund: fund.id, Funder: fund.funder_id}
    return Names(**{table.__tablename__: _facts_at(table.__tablename__, row_id, moment) for table, row_id in ids.items()})


def zone_name_at(fund: Fund, moment: datetime) -> str:
    """The time zone of the charity in force just before the moment."""
    return str(_facts_at(Charity.__tablename__, db.session.get_one(Campaign, fund.campaign_id).charity_id, moment)["time_zone"])


def facts_of_funder(funder_id: int, moment: datetime) -> dict[str, Any]:
    """The names of a funder in force just before the moment."""
    return _facts_at(Funder.__tablename__, funder_id, moment)


def _facts_at(subject: str, subject_id: int, moment: datetime) -> dict[str, Any]:
    versions = _versions(subject, subject_id)
    return next((version.facts for version in reversed(versions) if version.at < moment), versions[0].facts)


def zone_of_day(charity: Charity, day: date) -> ZoneInfo:
    """The time zone in which this day ended: the first in force at the end of the day as it reckons it. A later change does not change the answer."""
    versions = _versions(Charity.__tablename__, charity.id)
    for version, following in pairwise(versions):
        zone = ZoneInfo(version.facts["time_zone"])
        if end_of_day(day, zone) <= following.at:
            return zone
    return ZoneInfo(versions[-1].facts["time_zone"])


def _versions(subject: str, subject_id: int) -> list[StatedName]:
    n = StatedName
    return list(db.session.scalars(select(n).where(n.subject == subject, n.subject_id == subject_id).order_by(n.id)))
