"""Links of funders to their reports, for managers: which there are, a new one, and an end of all."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.funders import access_links, contributors
from campaign.funders.access_links import AccessLink
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund, funds_of
from campaign.web.chosen_campaign import show_campaign
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access

bp = Blueprint("staff_funders", __name__, url_prefix="/staff/funders")


@bp.get("")
@access("manager")
def page() -> ResponseReturnValue:
    """The funds of the campaign with their funders and links."""
    return _page()


def _page(*, link: str = "", link_fund: str = "") -> str:
    campaign = campaign_or_404()
    rows = [_row(fund, one, campaign.charity) for fund in funds_of(campaign.id) for one in (None, *contributors.contributors_of(fund))]
    return render_template("staff/funders.html", title=campaign.title(current_language()), funds=rows, link=link, link_fund=link_fund)


def _row(fund: Fund, contributor: FundContributor | None, charity: Charity) -> dict[str, Any]:
    """The links of the fund's lead funder, or of a contributor."""
    language = current_language()
    funder = contributors.funder_of(contributor) if contributor else db.session.get_one(Funder, fund.funder_id)
    return {
        "id": f"{fund.id}-{contributor.id}" if contributor else str(fund.id),
        "fund": fund.name(language),
        "funder": funder.name(language),
        "is_contributor": contributor is not None,
        "links": [_link_row(found, charity) for found in access_links.list_links(fund, contributor)],
        "create_url": _url_of("create", fund, contributor),
        "end_url": _url_of("end", fund, contributor),
    }


def _url_of(act: str, fund: Fund, contributor: FundContributor | None) -> str:
    if contributor is None:
        return url_for(f"staff_funders.{act}", fund_id=fund.id)
    return url_for(f"staff_funders.{act}_of_contributor", fund_id=fund.id, contributor_id=contributor.id)


def _link_row(link: AccessLink, charity: Charity) -> dict[str, Any]:
    def day(moment: Any) -> str:
        return str(format_date(charity.local(moment).date(), "yyyy-MM-dd"))

    return {
        "created_on": day(link.created_at),
        "used_on": day(link.last_used_at) if link.last_used_at else gettext("not yet"),
        "ends_on": day(link.ends_at),
    }


@bp.post("/<int:fund_id>/links")
@access("manager", fresh=True)
def create(fund_id: int) -> ResponseReturnValue:
    """Create a link, and show it once."""
    fund = _fund_or_404(fund_id)
    link = access_links.create_link(fund, actor=current_user.email)
    db.session.commit()
    return _page(link=link, link_fund=fund.name(current_language()))


@bp.post("/<int:fund_id>/links/end")
@access("manager", fresh=True)
def end(fund_id: int) -> ResponseReturnValue:
    """End all links of the fund’s lead funder."""
    access_links.revoke_links(_fund_or_404(fund_id), actor=current_user.email)
    db.session.commit()
    flash(gettext("All links to this report have ended."))
    return redirect(url_for("staff_funders.page"), 303)


@bp.post("/<int:fund_id>/contributors/<int:contributor_id>/links")
@access("manager", fresh=True)
def create_of_contributor(fund_id: int, contributor_id: int) -> ResponseReturnValue:
    """Create a link for a contributor, who sees their share, and show it once."""
    fund, contributor = _contributor_or_404(fund_id, contributor_id)
    link = access_links.create_link(fund, contributor=contributor, actor=current_user.email)
    db.session.commit()
    language = current_language()
    return _page(link=link, link_fund=f"{fund.name(language)}, {contributors.funder_of(contributor).name(language)}")


@bp.post("/<int:fund_id>/contributors/<int:contributor_id>/links/end")
@access("manager", fresh=True)
def end_of_contributor(fund_id: int, contributor_id: int) -> ResponseReturnValue:
    """End all links of a contributor to the fund."""
    fund, contributor = _contributor_or_404(fund_id, contributor_id)
    access_links.revoke_links(fund, contributor=contributor, actor=current_user.email)
    db.session.commit()
    flash(gettext("All links to this report have ended."))
    return redirect(url_for("staff_funders.page"), 303)


def _contributor_or_404(fund_id: int, contributor_id: int) -> tuple[Fund, FundContributor]:
    """A contributor to a fund that was activated: to a draft there may be other ones tomorrow."""
    fund = _fund_or_404(fund_id)
    contributor = contributors.find_contributor(fund, contributor_id) if fund.activated_at else None
    if contributor is None:
        abort(404)
    return fund, contributor


def _fund_or_404(fund_id: int) -> Fund:
    fund = db.session.get(Fund, fund_id)
    if fund is None:
        abort(404)
    show_campaign(db.session.get_one(Campaign, fund.campaign_id))
    return fund
