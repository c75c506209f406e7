"""A matching fund for staff: its terms, its burn-down, and its acts, each of which says first what it does, computed from the live books."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext, ngettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.funders import calls, payments
from campaign.funders.funders import Funder
from campaign.funders.introductions import introduction_of, is_shown
from campaign.matching import fund_actions, fund_forecast, fund_lifecycle, pledge_requests
from campaign.matching.fund_lifecycle import FundChange, FundChangeRefused
from campaign.matching.funds import Fund, FundStatus, Leftover
from campaign.operations import integrity_checks
from campaign.reporting import fund_days
from campaign.rules.money import format_money, format_money_short
from campaign.texts.actors import describe_actor
from campaign.texts.dates import format_day, format_moment
from campaign.web import burn_down
from campaign.web.errors import campaign_or_404
from campaign.web.labels import fund_change_labels, fund_status_labels, leftover_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import contributor_rows
from campaign.web.staff.contributor_rows import ContributorForm
from campaign.web.staff.payment_form import find_fund_or_404
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_fund", __name__, url_prefix="/staff/funds")

DOERS: Mapping[str, Callable[..., None]] = {
    "activations": fund_lifecycle.activate,
    "pauses": fund_lifecycle.pause,
    "resumptions": fund_lifecycle.resume,
    "ends": fund_lifecycle.end,
}


@bp.get("/<slug>")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """The fund with its terms and contributors, its days as a chart and a table, its changes, and what a manager may do."""
    return page_of(find_fund_or_404(slug))


def page_of(fund: Fund, contributor_form: ContributorForm | None = None) -> str:
    """The page, with the form of a contributor as it was typed if it is refused."""
    language, campaign = current_language(), campaign_or_404()
    charity = campaign.charity
    funder, days = db.session.get_one(Funder, fund.funder_id), fund_days.days_of(fund, campaign)
    return render_template(
        "staff/fund.html",
        title=campaign.title(language),
        slug=fund.slug,
        name=fund.name(language),
        status=fund_status_labels()[fund.status],
        is_draft=fund.status is FundStatus.DRAFT,
        sums={
            "pledged": format_money(fund.pledged_cents, language),
            "matched": format_money(fund.matched_cents, language),
            "held": format_money(fund.held_cents, language),
            "left": format_money(fund.available_cents, language),
            "received": format_money(payments.received_cents(fund), language),
            "called": format_money(calls.called_cents(fund), language),
            "open": format_money(calls.open_cents(fund), language),
        },
        terms=_terms(fund, funder, charity),
        is_anonymous=fund.is_anonymous,
        introduced_as=introduction_of(fund).name(language),
        introduction_is_shown=is_shown(fund),
        **contributor_rows.section_of(fund, funder, contributor_form),
        chart=burn_down.chart_of(days, until=charity.local(datetime.now(UTC)).date()),
        acts=_acts(fund) if has_role("manager") else [],
        may_manage=has_role("manager"),
        may_raise=fund.status in {FundStatus.ACTIVE, FundStatus.PAUSED} and pledge_requests.open_for(fund) is None,
        longest_reason=LONGEST_REASON,
        changes=[_change_row(change, charity) for change in reversed(fund_lifecycle.changes_of(fund))],
    )


def _terms(fund: Fund, funder: Funder, charity: Charity) -> list[tuple[str, str]]:
    language = current_language()

    def amount(cents: int | None) -> str:
        return format_money_short(cents, language) if cents else gettext("no limit")

    return [
        (gettext("Funder"), funder.name(language)),
        (gettext("Ratio of match to gift"), f"{fund.ratio_numerator}:{fund.ratio_denominator}"),
        (gettext("Most for one gift"), amount(fund.per_donation_cents)),
        (gettext("Most for one donor"), amount(fund.per_donor_cents)),
        (gettext("Smallest gift that is matched"), amount(fund.minimum_cents)),
        (gettext("First day"), _edge(fund.opens_at, charity)),
        (gettext("Last day"), _edge(fund.closes_at, charity, is_end=True)),
        (gettext("Order among the funds"), str(fund.position)),
        (gettext("What is not matched by the end"), leftover_labels()[Leftover(fund.leftover)]),
    ]


def _edge(moment: datetime | None, charity: Charity, *, is_end: bool = False) -> str:
    """A day in the charity's time zone, or a moment where it is not a whole day."""
    if moment is None:
        return gettext("no limit")
    local = charity.local(moment)
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return format_moment(local, current_language())
    return format_day((local - timedelta(days=1) if is_end else local).date(), current_language())


def _change_row(change: FundChange, charity: Charity) -> dict[str, str]:
    what = fund_change_labels()[change.kind]
    return {
        "at": format_datetime(charity.local(change.at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": change.at.isoformat(),
        "who": describe_actor(change.actor, current_language()),
        "what": f"{what} ({format_money(change.cents, current_language())})" if change.cents else what,
        "reason": change.reason,
    }


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a manager may do, and what happens then. `stops` says why it is not possible now."""

    name: str
    title: str
    effects: list[str]
    stops: str = ""


def _acts(fund: Fund) -> list[Act]:
    match fund.status:
        case FundStatus.DRAFT:
            return [_activation(fund)]
        case FundStatus.ACTIVE:
            return [_pause(fund), _end(fund)]
        case FundStatus.PAUSED:
            return [_resumption(fund), _end(fund)]
        case FundStatus.ENDED:
            return []


def _activation(fund: Fund) -> Act:
    stops = "" if fund.pledged_cents else gettext("It has no pledge yet. Change the draft first.")
    effects = [
        _matched_at_once(fund),
        gettext("Its name is public, and gifts are matched from this moment on, within its dates."),
        gettext(
            "Its terms freeze for good: funders and their parts, ratio, limits, dates and order. Its pledge can then only be raised, by two people."
        ),
    ]
    return Act(name="activations", title=gettext("Activate it"), effects=effects, stops=stops)


def _matched_at_once(fund: Fund) -> str:
    """What happens to earlier gifts."""
    found, language = fund_forecast.forecast(fund), current_language()
    if not found.donations:
        return gettext("No earlier gift is matched by it.")
    sentence = ngettext(
        "%(num)s earlier gift of %(donated)s is matched at once, with %(matched)s. Its donor gets an email, if there is an address.",
        "%(num)s earlier gifts of %(donated)s are matched at once, with %(matched)s. Those donors who have an address get an email.",
        found.donations,
        donated=format_money(found.donated_cents, language),
        matched=format_money(found.matched_cents, language),
    )
    more = "" if found.is_whole else gettext("These are the first; more follow within minutes.")
    return f"{sentence} {more}".strip()


def _pause(fund: Fund) -> Act:
    effects = [
        gettext("No new gift is matched by it until you resume it, and its page says so to donors."),
        _hold_sentence(fund),
        gettext("Gifts meanwhile wait in order, and are matched first when you resume it."),
    ]
    return Act(name="pauses", title=gettext("Pause it"), effects=effects)


def _hold_sentence(fund: Fund) -> str:
    held = format_money(fund.held_cents, current_language())
    return (
        gettext("%(held)s on hold stays promised to the donors who are paying.", held=held)
        if fund.held_cents
        else gettext("Nothing is on hold at this moment.")
    )


def _resumption(fund: Fund) -> Act:
    last = integrity_checks.last_check()
    stops = gettext("The last check found that the books are not right. Have that mended first.") if last and last.findings else ""
    effects = [gettext("Gifts are matched again from this moment on, within its dates."), _matched_at_once(fund)]
    return Act(name="resumptions", title=gettext("Resume it"), effects=effects, stops=stops)


def _end(fund: Fund) -> Act:
    released = format_money(fund.available_cents, current_language())
    effects = [
        gettext("This cannot be undone: the fund never opens again."),
        (
            gettext(
                "%(released)s of its pledge is not matched any more, and is given all the same: it can then be called.", released=released
            )
            if fund.leftover == Leftover.DONATED
            else gettext("%(released)s of its pledge is not matched any more, and stays with the funder.", released=released)
        ),
        _hold_sentence(fund),
        gettext("Gifts that were paid before this moment are still matched, however late we hear of them. What is matched stays."),
    ]
    return Act(name="ends", title=gettext("End it for good"), effects=effects)


@bp.post("/<slug>/<any(activations,pauses,resumptions,ends):name>")
@access("manager", fresh=True)
def act(slug: str, name: str) -> ResponseReturnValue:
    """Activate, pause, resume or end the fund, for a reason."""
    fund, reason = find_fund_or_404(slug), read_reason()
    if not reason:
        return refused(page_of(fund))
    if any(one.stops for one in _acts(fund) if one.name == name):
        flash(gettext("Nothing was done. What stands against it is said below."), "error")
        return redirect(url_for("staff_fund.page", slug=slug), 303)
    try:
        fund_actions.apply(DOERS[name], fund, actor=current_user.email, reason=reason)
    except FundChangeRefused:
        flash(gettext("Nothing was done: the fund has changed since you opened this page. This is how it is now."), "error")
    else:
        done = {
            "activations": gettext("The fund is active."),
            "pauses": gettext("The fund is paused."),
            "resumptions": gettext("The fund is active again."),
            "ends": gettext("The fund has ended."),
        }
        flash(done[name])
    return redirect(url_for("staff_fund.page", slug=slug), 303)
