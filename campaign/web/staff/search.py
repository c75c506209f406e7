"""The search of staff: what one text finds, by kind, or the page of what it names exactly."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign, list_campaigns
from campaign.campaigns.charities import Charity, list_charities
from campaign.donations.donations import Donation, donations_by_id
from campaign.payments.status import shown_states_of
from campaign.receipts import receipts
from campaign.reporting import search
from campaign.reporting.search import Found, Kind, Named
from campaign.reporting.search_terms import LONGEST_QUERY
from campaign.rules.money import format_money
from campaign.rules.typed_text import clean
from campaign.staff import members
from campaign.staff.members import ADMIN
from campaign.web.chosen_campaign import of_campaign, of_charity
from campaign.web.errors import campaign_or_404
from campaign.web.labels import receipt_status_labels, status_labels, tribute_sentence
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.list_filters import address_of
from campaign.web.staff.page_search import find_pages

bp = Blueprint("staff_search", __name__, url_prefix="/staff/search")

NOTE_SHOWN = 100

# What it is called, its address, and what tells it from others.
Line = tuple[str, str, str]
Group = tuple[str, list[Line]]


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What the text `q` finds; straight to the object if it names one."""
    campaign, language = campaign_or_404(), current_language()
    typed = " ".join(clean(request.args.get("q", "")).replace("\x00", "").split())[:LONGEST_QUERY]
    named = search.named_by(typed, language) if typed else None
    if named:
        return redirect(_url_of(named))
    found = search.find_all(typed, language) if typed else None
    groups = _groups(found, campaign.charity) if found else []
    if typed and (pages := find_pages(typed)):
        groups.insert(0, (gettext("Pages"), pages))
    if typed and has_role(ADMIN) and (staff := _members(typed)):
        groups.append((gettext("Members of staff"), staff))
    return render_template(
        "staff/search.html",
        title=campaign.title(language),
        typed=typed,
        groups=groups,
        all_url=url_for("staff_donation_list.page", **address_of({"q": typed})) if found and found.gifts else "",
        tributes_url=url_for("staff_donation_list.page", **address_of({"tribute_name": typed})) if found and found.tributes else "",
        example=format_money(50_00, language),
    )


def _url_of(named: Named) -> str:
    match named.kind:
        case Kind.DONATION:
            return url_for("staff_donations.page", public_id=named.key)
        case Kind.DONOR:
            return url_for("staff_donors.page", donor_id=int(named.key))
        case Kind.RECEIPT:
            return _url_of_receipt(named.key, named.charity_id)
        case Kind.PAYOUT:
            return url_for("staff_settlement.payout", stripe_id=named.key)
        case Kind.QUARANTINE:
            return url_for("staff_quarantine.page")


def _url_of_receipt(serial: str, charity_id: int) -> str:
    values: dict[str, Any] = of_charity(charity_id)
    return url_for("staff_receipts.page", serial=serial, **values)


def _groups(found: Found, charity: Charity) -> list[Group]:
    """What was found, by kind: each with its name, its address and what tells it from others. Kinds without anything are left out."""
    language = current_language()
    campaigns = {one.id: one for one in list_campaigns()}
    titles = {one.id: one.title(language) if len(campaigns) > 1 else "" for one in campaigns.values()}
    lines: list[Group] = [
        (
            gettext("Donors"),
            [
                (one.name or one.email or gettext("no name"), url_for("staff_donors.page", donor_id=one.id), one.email)
                for one in found.donors
            ],
        ),
        (gettext("Gifts"), _gifts(found.gifts, titles)),
        (gettext("Tributes"), _tributes(found.tributes, titles)),
        (gettext("Receipts"), _receipts(found)),
        (
            gettext("Payouts"),
            [
                (
                    format_money(one.cents, language),
                    url_for("staff_settlement.payout", stripe_id=one.stripe_id),
                    gettext("arrives on %(day)s", day=_day(charity.local(one.arrives_at))),
                )
                for one in found.payouts
            ],
        ),
        (gettext("Funders"), _funders(found, campaigns)),
        (
            gettext("Matching funds"),
            [(one.name(language), url_for("staff_fund.page", slug=one.slug), titles[one.campaign_id]) for one in found.funds],
        ),
        (gettext("Notes"), _notes(found, titles)),
    ]
    return [(heading, rows) for heading, rows in lines if rows]


def _receipts(found: Found) -> list[Line]:
    states, charities = receipt_status_labels(), list_charities()
    names = {one.id: one.name(current_language()) if len(charities) > 1 else "" for one in charities}
    return [
        (
            one.serial,
            _url_of_receipt(one.serial, one.charity_id),
            _joined(one.content["donor_name"], states[receipts.status_of(one).value], names[one.charity_id]),
        )
        for one in found.receipts
    ]


def _funders(found: Found, campaigns: Mapping[int, Campaign]) -> list[Line]:
    """Each with the page of the funds of the campaign that it matches."""
    language, funds = current_language(), search.funds_of_funders(found.funders)
    pages: dict[int, dict[str, Any]] = {of: of_campaign(campaigns[fund.campaign_id]) for of, fund in funds.items()}
    return [(one.name(language), url_for("staff_funds.page", **pages.get(one.id, {})), one.legal_name) for one in found.funders]


def _notes(found: Found, titles: Mapping[int, str]) -> list[Line]:
    """The beginnings of notes, each with the page that it is on."""
    gifts = donations_by_id([note.donation_id for note in found.notes if note.donation_id])
    return [
        (
            textwrap.shorten(note.text, NOTE_SHOWN, placeholder=" …"),
            url_for("staff_donors.page", donor_id=note.donor_id, _anchor="notes")
            if note.donation_id is None
            else url_for("staff_donations.page", public_id=gifts[note.donation_id].public_id, _anchor="notes"),
            _joined(note.author, titles[gifts[note.donation_id].campaign_id] if note.donation_id else ""),
        )
        for note in found.notes
    ]


def _joined(*notes: str) -> str:
    return ", ".join(note for note in notes if note)


def _name_of(gift: Donation) -> str:
    return gift.full_name or gift.email or gettext("no name")


def _gifts(gifts: Sequence[Donation], titles: Mapping[int, str]) -> list[Line]:
    labels, states = status_labels(), shown_states_of(gifts)
    return [
        (
            gettext("%(amount)s – %(name)s", amount=format_money(gift.amount_cents, current_language()), name=_name_of(gift)),
            url_for("staff_donations.page", public_id=gift.public_id),
            _joined(_day_of(gift), labels[states[gift.id]], titles[gift.campaign_id]),
        )
        for gift in gifts
    ]


def _tributes(gifts: Sequence[Donation], titles: Mapping[int, str]) -> list[Line]:
    return [
        (
            tribute_sentence(gift),
            url_for("staff_donations.page", public_id=gift.public_id),
            _joined(format_money(gift.amount_cents, current_language()), _name_of(gift), _day_of(gift), titles[gift.campaign_id]),
        )
        for gift in gifts
    ]


def _day_of(gift: Donation) -> str:
    return _day(gift.campaign.charity.local(gift.received_at or gift.started_at))


def _day(moment: Any) -> str:
    return str(format_date(moment.date(), "yyyy-MM-dd"))


def _members(typed: str) -> list[tuple[str, str, str]]:
    """Members whose address has the text."""
    found = [one for one in members.list_members() if typed.casefold() in one.email.casefold()]
    return [(one.email, url_for("staff_members.page"), gettext("you") if one.id == current_user.id else "") for one in found]
