"""The filters of the list of donations as fields of a form: those of contract.md, section 4, relative days and tributes."""

from collections.abc import Sequence

from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.matching.funds import Fund
from campaign.reporting.donation_filters import DonationFilters
from campaign.web.errors import campaign_or_404
from campaign.web.filter_labels import list_state_labels, tribute_filter_labels
from campaign.web.labels import match_level_labels, method_labels
from campaign.web.languages import current_language
from campaign.web.staff.list_filters import ALL_CAMPAIGNS, FilterForm, form_of, read_choice, read_days, read_typed, read_words

# In the order of the form.
FIELDS = ("q", "state", "days", "from", "to", "campaign", "fund", "method", "match", "tribute", "tribute_name")

DonationForm = FilterForm[DonationFilters]


def read_filters(campaigns: Sequence[Campaign], funds: Sequence[Fund]) -> DonationForm:
    """The filters of this request."""
    typed, errors, language = read_typed(FIELDS), dict[str, str](), current_language()
    if typed["campaign"] == ALL_CAMPAIGNS:
        typed["campaign"] = ""
    by_slug, own_funds = (
        {one.slug: one for one in campaigns},
        {one.slug: one for one in funds_to_choose(typed["campaign"], campaigns, funds)},
    )
    states, methods, matches, tributes = list_state_labels(), method_labels(), match_level_labels(), tribute_filter_labels()
    of_campaign = read_choice("campaign", typed, {slug: one.title(language) for slug, one in by_slug.items()}, errors)
    campaign = by_slug[of_campaign] if of_campaign else None
    of_fund = read_choice("fund", typed, {slug: one.name(language) for slug, one in own_funds.items()}, errors)
    fund = own_funds[of_fund] if of_fund else None
    state, method = read_choice("state", typed, states, errors), read_choice("method", typed, methods, errors)
    match, tribute = read_choice("match", typed, matches, errors), read_choice("tribute", typed, tributes, errors)
    days = read_days(typed, errors, (campaign or campaign_or_404()).charity)
    filters = DonationFilters(
        q=read_words("q", typed, errors),
        language=language,
        state=state or "",
        first_on=days.first_on,
        last_on=days.last_on,
        campaign_id=campaign.id if campaign else 0,
        fund_id=fund.id if fund else 0,
        method=method,
        match=match,
        tribute=tribute,
        tribute_name=read_words("tribute_name", typed, errors),
    )
    says = {
        "q": filters.q,
        "state": states[state] if state else "",
        "days": days.says.get("days", ""),
        "from": gettext("from %(day)s", day=days.says["from"]) if "from" in days.says else "",
        "to": gettext("until %(day)s", day=days.says["to"]) if "to" in days.says else "",
        "campaign": campaign.title(language) if campaign else "",
        "fund": fund.name(language) if fund else "",
        "method": methods[method] if method else "",
        "match": matches[match] if match else "",
        "tribute": tributes[tribute] if tribute else "",
        "tribute_name": gettext("tribute to %(name)s", name=filters.tribute_name) if filters.tribute_name else "",
    }
    return form_of(typed, filters, errors, says)


def funds_to_choose(slug: str, campaigns: Sequence[Campaign], funds: Sequence[Fund]) -> list[Fund]:
    """The funds of the charity of the campaign with this slug; all when it is of none."""
    charity_id = next((one.charity_id for one in campaigns if one.slug == slug), None)
    of_charity = {one.id for one in campaigns if charity_id in {None, one.charity_id}}
    return [fund for fund in funds if fund.campaign_id in of_charity]
