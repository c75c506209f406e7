"""Reports to funders by email: each is a row, at most one for its recipient, fund and period, and says of which statement it brings the figures.

That a part of a pledge is matched is a row too, with the moment at which that was seen: later a refund may bring it below again, and a report of
that moment stays true.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.matching.funds import Fund
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.rules.report_schedule import Milestone, ReportKind
from campaign.rules.statement_periods import StatementPeriod, parse_period, to_moment

SHOWN = 50


class FundMilestone(Base):
    """So much of a pledge was matched by `reached_at`, a whole second, or the fund was over. A pledge that was raised has milestones of its own."""

    __tablename__ = "fund_milestone"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True)
    milestone: Mapped[str] = mapped_column(primary_key=True)
    pledged_cents: Mapped[int] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]

    @property
    def period(self) -> StatementPeriod:
        """Everything until then."""
        return to_moment(self.reached_at)


class FunderReport(Base):
    """A report that was enqueued. `period` is the name of that of its statement (rules/statement_periods.py)."""

    __tablename__ = "funder_report"
    __table_args__ = (
        UniqueConstraint(
            "recipient_id", "fund_id", "kind", "period", "milestone", name="report_is_sent_once", postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("report_recipient.id"))
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    kind: Mapped[str]
    period: Mapped[str]
    milestone: Mapped[str | None]
    enqueued_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def statement_period(self) -> StatementPeriod:
        """The period of its statement."""
        return parse_period(self.period)


def periods_sent(recipient_id: int, fund: Fund) -> set[tuple[str, str]]:
    """The kind and the period of each report that was enqueued for the recipient and the fund."""
    sent = select(FunderReport.kind, FunderReport.period).where(FunderReport.recipient_id == recipient_id, FunderReport.fund_id == fund.id)
    return {(kind, period) for kind, period in db.session.execute(sent)}


def enqueue(recipient_id: int, fund: Fund, kind: ReportKind, period: StatementPeriod, *, milestone: Milestone | None = None) -> bool:
    """Enqueue the report unless it was before. Returns whether it was not."""
    row = insert(FunderReport).values(recipient_id=recipient_id, fund_id=fund.id, kind=kind, period=period.name, milestone=milestone)
    report_id = db.session.scalar(row.on_conflict_do_nothing(constraint="report_is_sent_once").returning(FunderReport.id))
    if report_id is None:
        return False
    messages.enqueue_notice(MessageKind.FUNDER_REPORT, str(report_id), funder_report_id=report_id)
    return True


def milestones_of(fund: Fund) -> list[FundMilestone]:
    """What the fund has reached, the earliest first."""
    reached = select(FundMilestone).where(FundMilestone.fund_id == fund.id)
    return list(db.session.scalars(reached.order_by(FundMilestone.reached_at, FundMilestone.pledged_cents)))


def add_milestone(fund: Fund, milestone: Milestone, reached_at: datetime, *, pledged_cents: int) -> None:
    """Insert that the fund has reached it, unless that is known."""
    row = insert(FundMilestone).values(fund_id=fund.id, milestone=milestone, pledged_cents=pledged_cents, reached_at=reached_at)
    db.session.execute(row.on_conflict_do_nothing())


def list_reports(fund_ids: Collection[int], *, limit: int = SHOWN) -> list[FunderReport]:
    """The reports about these funds, the latest first."""
    found = select(FunderReport).where(FunderReport.fund_id.in_(fund_ids)).order_by(FunderReport.id.desc()).limit(limit)
    return list(db.session.scalars(found))


def messages_of(report_ids: Collection[int]) -> dict[int, OutboxMessage]:
    """The message of each of these reports to funders, by the report's id."""
    found = db.session.scalars(select(OutboxMessage).where(OutboxMessage.funder_report_id.in_(report_ids)))
    return {message.funder_report_id or 0: message for message in found}
