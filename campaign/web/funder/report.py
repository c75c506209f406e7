"""A funder's page, behind a private link: what their money has moved, as of now or as of the end of a past day. It shows amounts and counts, never donors.

A contributor sees the sums of the fund and their own share: nothing of other contributors, calls, payments and their recipients of reports.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links, contributors
from campaign.funders.contributors import FundContributor
from campaign.matching import fund_lifecycle
from campaign.matching.fund_lifecycle import FundChange
from campaign.matching.funds import Fund, Leftover
from campaign.reporting import fund_days, fund_reach, shown_messages
from campaign.reporting.statement_actions import take_statement
from campaign.reporting.statements.statement import Statement, first_day_of
from campaign.rules.fund_outlook import FundStage, Lifecycle, outlook_of
from campaign.rules.gift_groups import GiftGroup, group_days
from campaign.rules.local_time import end_of_day
from campaign.rules.money import format_money
from campaign.texts import fund_report, share_words
from campaign.texts.dates import format_day, format_moment, format_month
from campaign.texts.fund_report import FundSums
from campaign.web import burn_down, statement_files
from campaign.web.funder import calls, gift_bars, link_session, share_rows
from campaign.web.funder.chosen_day import ChosenDay, read_day, slid_to
from campaign.web.funder.link_session import Viewer
from campaign.web.languages import current_language
from campaign.web.security import LINKS_PER_CLIENT, FunderLinkEnded, access, limiter

bp = Blueprint("funder_report", __name__, url_prefix="/funder")

GROUPS_SHOWN = 8
THANKS_SHOWN = 12


@bp.get("/links/<token>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def enter(token: str) -> ResponseReturnValue:
    """Exchange the link for a session, so that the token does not stay in URLs that are shown, logged or shared."""
    link = access_links.open_link(token)
    if link is None:
        raise FunderLinkEnded
    db.session.commit()
    link_session.begin(link)
    return redirect(url_for("funder_report.report", lang=request.args.get("lang")))


@bp.get("/report")
@access("funder")
def former_address() -> ResponseReturnValue:
    """Where the page was before."""
    link_session.viewer_of_session()
    return redirect(url_for("funder_report.report", lang=request.args.get("lang"), as_of=request.args.get("as_of")), 301)


@bp.get("/")
@access("funder")
def report() -> ResponseReturnValue:
    """The page, as of now or as of the end of the day in the address."""
    viewer = link_session.viewer_of_session()
    fund = viewer.fund
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    changes, today = fund_lifecycle.changes_of(fund), campaign.charity.local(datetime.now(UTC)).date()
    first_on = min(today, first_day_of(fund) or today)
    if slid := slid_to(first_on, today):
        return redirect(url_for("funder_report.report", as_of=slid, fund=fund.slug, lang=request.args.get("lang")), 303)
    chosen = read_day(first_on, today)
    moment = end_of_day(chosen.day, ZoneInfo(campaign.charity.time_zone)) if chosen.is_past else None
    statement = take_statement(fund, before=moment)
    page = render_template("funders/report.html", **_page(_View(viewer, campaign, statement, chosen, changes)))
    return (page, 422) if chosen.error else page


@dataclass(frozen=True)
class _View:
    """What the page is about. `changes` are all of the fund."""

    viewer: Viewer
    campaign: Campaign
    statement: Statement
    chosen: ChosenDay
    changes: list[FundChange]

    @property
    def fund(self) -> Fund:
        """The fund."""
        return self.viewer.fund

    @property
    def contributor(self) -> FundContributor | None:
        """The contributor who sees the page; None for the lead funder."""
        return self.viewer.contributor

    @property
    def unmatched_cents(self) -> int:
        """What of the pledge is not matched, on hold or not."""
        return self.statement.pledged_cents - self.statement.matched_cents

    @property
    def stage(self) -> FundStage:
        """Where the fund was at the moment of the page."""
        kinds = tuple(change.kind for change in self.changes if change.at < self.statement.as_of)
        lifecycle = Lifecycle(changes=kinds, opens_at=self.fund.opens_at, closes_at=self.fund.closes_at)
        return lifecycle.stage(self.statement.as_of, unmatched_cents=self.unmatched_cents)

    @property
    def begins_on(self) -> date | None:
        """The day from which gifts are matched, if it was to come."""
        opens_at = self.fund.opens_at
        return self.campaign.charity.local(opens_at).date() if opens_at and opens_at > self.statement.as_of else None


def _page(view: _View) -> dict[str, Any]:
    language, chosen, statement = current_language(), view.chosen, view.statement
    days = [day for day in fund_days.days_of(view.fund, view.campaign) if day.on <= chosen.day]
    return {
        "fund": view.fund.name(language),
        "fund_slug": view.fund.slug,
        "funds": _funds(view, language),
        "title": view.campaign.title(language),
        "charity_name": view.campaign.charity.name(language),
        "charity": view.campaign.charity,
        "campaign_url": url_for("campaigns.page", language=language, slug=view.campaign.slug),
        "headline": _headline(view, language),
        "is_contributor": view.contributor is not None,
        "own_name": contributors.funder_of(view.contributor).name(language) if view.contributor else "",
        "last_month": _last_month(chosen),
        "shares": share_rows.shares_of(statement, view.contributor, language),
        "chosen": chosen,
        "shown_day": format_day(chosen.day, language),
        "shown_moment": format_moment(statement.as_of, language, "long"),
        "tiles": _tiles(view.fund, statement, language, is_lead=view.contributor is None),
        "donations": statement.donations,
        "burn_down": burn_down.chart_of(days, until=chosen.day),
        "outlook": _outlook(view, language),
        "bars": gift_bars.bars_of(statement.days, first_on=min([chosen.first_on, *(day.on for day in statement.days)]), until=chosen.day),
        "groups": _groups(statement, language),
        "files": _files(),
        "final": [] if chosen.is_past else statement_files.final_statement(view.fund, partial(_url_of, view.fund)),
        "to_pay": {} if chosen.is_past or view.contributor else calls.to_pay(view.fund, chosen.today),
        # Donors agreed that one funder reads what they wrote, who is the lead funder.
        "thanks": [] if view.contributor else _thanks(view, language),
    }


def _last_month(chosen: ChosenDay) -> str:
    """The last day of the month before this one, if the fund has it."""
    last_on = chosen.today.replace(day=1) - timedelta(days=1)
    return last_on.isoformat() if last_on >= chosen.first_on else ""


def _url_of(fund: Fund, period: str, form: str) -> str:
    return url_for("funder_statements.file", period=period, form=form, fund=fund.slug, lang=current_language())


def _funds(view: _View, language: str) -> list[tuple[str, str, bool]]:
    """The slug and name of each fund that the link opens, and whether it is the one that is shown; empty when there is one alone."""
    funds = view.viewer.funds
    titles = {one.id: db.session.get_one(Campaign, one.campaign_id).title(language) for one in funds}
    return [(one.slug, f"{one.name(language)} – {titles[one.id]}", one.id == view.fund.id) for one in funds] if len(funds) > 1 else []


def _headline(view: _View, language: str) -> str:
    statement = view.statement
    if view.contributor:
        return share_rows.headline_of(statement, view.contributor, language)
    reach = fund_reach.reach_of(view.fund, view.campaign, until=statement.as_of)
    sums = {
        "pledged_cents": statement.pledged_cents,
        "matched_cents": statement.matched_cents,
        "gift_cents": reach.gift_cents,
        "donors": reach.donors,
    }
    if statement.shares:
        return share_words.fund_headline(**sums, language=language)
    return fund_report.headline(FundSums(stage=view.stage, **sums), begins_on=view.begins_on, language=language)


def _tiles(fund: Fund, statement: Statement, language: str, *, is_lead: bool) -> list[dict[str, str]]:
    """The sums with their names and definitions, in the order of their life. What was called is shown once anything was.

    What was called and paid is the lead funder's matter alone.
    """
    is_sole = is_lead and not statement.shares
    called = ("called", gettext("Called"), statement.closing.called_cents, gettext("What we have asked you to pay of what is matched."))
    received = (
        "received",
        gettext("Received"),
        statement.received_cents,
        gettext("What you have paid towards the pledge, as we recorded it."),
    )
    promised = (
        gettext("What you promised for matching, at most.") if is_sole else gettext("What all funders promised for matching, at most.")
    )
    due = (
        gettext("It goes with gifts that were paid. You pay it when we call it.")
        if is_lead
        else gettext("It goes with gifts that were paid.")
    )
    left = (
        gettext("What of your pledge is neither matched nor on hold.")
        if is_sole
        else gettext("What of the pledge is neither matched nor on hold.")
    )
    left = f"{left} {_leftover(fund, is_sole=is_sole)}"
    held = gettext("Reserved for donors who are paying now. If they do not, it is free again.")
    tiles = (
        ("pledged", gettext("Pledged"), statement.pledged_cents, promised),
        ("matched", gettext("Matched"), statement.matched_cents, due),
        ("held", gettext("On hold"), statement.held_cents, held),
        ("left", gettext("Left"), statement.left_cents, left),
        *([called] if is_lead and statement.closing.called_cents else []),
        *([received] if is_lead else []),
    )
    return [{"id": name, "label": label, "sum": format_money(cents, language), "means": means} for name, label, cents, means in tiles]


def _leftover(fund: Fund, *, is_sole: bool) -> str:
    """What becomes of the part of the pledge that is not matched by the end, as was chosen before the fund began."""
    if fund.leftover == Leftover.DONATED:
        return gettext("Whatever is not matched by the end will be donated anyway.")
    return (
        gettext("What is not matched by the end stays with you.")
        if is_sole
        else gettext("What is not matched by the end stays with the funders.")
    )


def _outlook(view: _View, language: str) -> list[str]:
    closes_at, charity = view.fund.closes_at, view.campaign.charity
    activated = [change.at for change in view.changes if change.kind == "activated"]
    next_on = view.chosen.day + timedelta(days=1) if view.chosen.is_past else view.chosen.day
    outlook = outlook_of(
        {day.on: day.matched_cents for day in view.statement.days},
        unmatched_cents=view.unmatched_cents,
        # On the day of the activation, it matched for a part of the day only.
        first_on=charity.local(activated[0]).date() + timedelta(days=1) if activated else next_on,
        next_on=next_on,
        # The window excludes its end: at midnight, the day before is the last one.
        ends_on=charity.local(closes_at - timedelta(microseconds=1)).date() if closes_at else None,
    )
    if (view.contributor or view.statement.shares) and view.stage is FundStage.ALL_MATCHED:
        return [gettext("All of the pledge is matched. If a gift is refunded, its match goes to earlier gifts that had none.")]
    return fund_report.describe_outlook(view.stage, outlook, begins_on=view.begins_on, language=language)


def _files() -> list[tuple[str, str]]:
    """The forms of a statement and their names."""
    return [
        ("pdf", gettext("Print (PDF)")),
        ("xlsx", gettext("Spreadsheet (XLSX)")),
        ("csv", gettext("Spreadsheet (CSV)")),
        ("json", gettext("Every entry, with its proof (JSON)")),
    ]


def _groups(statement: Statement, language: str) -> list[dict[str, Any]]:
    """The latest matches, the last days first."""
    days = (GiftGroup(first_on=day.on, last_on=day.on, gifts=day.donations, matched_cents=day.matched_cents) for day in statement.days)
    return [
        {
            "first": format_day(group.first_on, language),
            "last": format_day(group.last_on, language) if group.last_on > group.first_on else "",
            "gifts": group.gifts,
            "matched": format_money(group.matched_cents, language),
        }
        for group in group_days(days)[: -GROUPS_SHOWN - 1 : -1]
    ]


def _thanks(view: _View, language: str) -> list[dict[str, str]]:
    """What donors let the funder read, with the month alone."""
    found = shown_messages.messages_for(view.fund, until=view.statement.as_of, limit=THANKS_SHOWN)
    local = view.campaign.charity.local
    return [{"text": one.text, "language": one.language, "month": format_month(local(one.received_at).date(), language)} for one in found]
