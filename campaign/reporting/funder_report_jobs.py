"""Enqueues the reports to funders that are due. What it finds due depends on rows and the clock alone, so that a run that was missed is made up for."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, or_, select

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import contributors, report_recipients
from campaign.funders.contributors import FundContributor
from campaign.funders.report_recipients import ReportRecipient
from campaign.matching import rematching
from campaign.matching.funds import Fund
from campaign.reporting import funder_reports, statement_actions
from campaign.reporting.funder_reports import FundMilestone
from campaign.rules import report_schedule
from campaign.rules.report_schedule import MORNING, PARTS, PERIODIC, Choice, Milestone, ReportKind


def enqueue_funder_reports() -> int:
    """Enqueue each report that is due and was not before. Returns how many, and commits after each fund."""
    count = 0
    for fund_id in _reported_fund_ids():
        fund = db.session.get_one(Fund, fund_id, populate_existing=True)
        campaign = db.session.get_one(Campaign, fund.campaign_id)
        now = campaign.charity.local(datetime.now(UTC))
        _record_milestones(fund, now)
        db.session.commit()
        recipients = [found for funder_id in contributors.funder_ids_of(fund) for found in report_recipients.recipients_of(funder_id)]
        choices = report_recipients.choices_of(recipients)
        for recipient in recipients:
            count += _enqueue_for(recipient, report_recipients.as_rule(choices[recipient.id]), fund, now)
        db.session.commit()
    if count:
        services().waker.wake("mail")
    return count


def _reported_fund_ids() -> list[int]:
    """The activated funds of which a funder has a recipient."""
    with_recipient = select(ReportRecipient.funder_id)
    contributes = exists().where(FundContributor.fund_id == Fund.id, FundContributor.funder_id.in_(with_recipient))
    has_recipient = or_(Fund.funder_id.in_(with_recipient), contributes)
    return list(db.session.scalars(select(Fund.id).where(Fund.activated_at.is_not(None), has_recipient).order_by(Fund.id)))


def _enqueue_for(recipient: ReportRecipient, choices: list[Choice], fund: Fund, now: datetime) -> int:
    assert fund.activated_at is not None
    first_on, over_at = fund.activated_at.astimezone(now.tzinfo).date(), fund.terms.closes_at
    # A fund that closes at midnight is over with the day before.
    last_on = (over_at - timedelta(microseconds=1)).astimezone(now.tzinfo).date() if over_at else None
    count, sent = 0, funder_reports.periods_sent(recipient.id, fund)
    for kind in PERIODIC:
        for period in report_schedule.due_periods(kind, choices, first_on=first_on, last_on=last_on, now=now):
            if (kind, period.name) not in sent:
                count += funder_reports.enqueue(recipient.id, fund, kind, period)
    for one in funder_reports.milestones_of(fund):
        milestone = Milestone(one.milestone)
        kind = ReportKind.END if milestone is Milestone.END else ReportKind.MILESTONE
        if kind in report_schedule.chosen_at(choices, one.reached_at):
            count += funder_reports.enqueue(recipient.id, fund, kind, one.period, milestone=milestone)
    return count


def _record_milestones(fund: Fund, now: datetime) -> None:
    """Note the largest part of the pledge that is matched, if it is new, and the morning after the fund's end, once nothing is under way."""
    known = funder_reports.milestones_of(fund)
    reached = report_schedule.reached_part(matched_cents=fund.matched_cents, pledged_cents=fund.pledged_cents)
    if reached and reached not in _known_parts(known, fund.pledged_cents):
        _record_part(fund, known, now)
    if Milestone.END not in {one.milestone for one in known} and _is_over(fund, now):
        funder_reports.add_milestone(fund, Milestone.END, now.replace(microsecond=0), pledged_cents=fund.pledged_cents)


def _record_part(fund: Fund, known: list[FundMilestone], now: datetime) -> None:
    """Note what was matched at the last whole second, whose statement is sent: this moment's is not over yet."""
    second = now.replace(microsecond=0)
    statement = statement_actions.take_statement(fund, before=second)
    reached = report_schedule.reached_part(matched_cents=statement.matched_cents, pledged_cents=statement.pledged_cents)
    if reached and reached not in _known_parts(known, statement.pledged_cents):
        funder_reports.add_milestone(fund, reached, second, pledged_cents=statement.pledged_cents)


def _known_parts(known: list[FundMilestone], pledged_cents: int) -> set[Milestone]:
    """The parts of this pledge that are noted, and all smaller ones: after a jump from 40% to 95%, only 90% is news."""
    noted = {one.milestone for one in known if one.pledged_cents == pledged_cents}
    return {part for number, part in enumerate(PARTS) if noted & set(PARTS[number:])}


def _is_over(fund: Fund, now: datetime) -> bool:
    """Whether the fund's end is over since a morning, nothing is on hold, and no gift waits to be matched again."""
    over_at = fund.terms.closes_at
    if over_at is None or fund.held_cents or rematching.pending_rematch_of(fund.campaign_id) is not None:
        return False
    local = over_at.astimezone(now.tzinfo)
    return now.date() > local.date() and (now.time() >= MORNING or (now.date() - local.date()).days > 1)
