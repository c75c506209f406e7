"""The search of staff: what one text finds, by kind, or the page of what it names exactly."""

import textwrap
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
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
from campaign.web.errors import campaign_or_404
from campaign.web.labels import receipt_status_labels, status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.list_filters import address_of

bp = Blueprint("staff_search", __name__, url_prefix="/staff/search")

NOTE_SHOWN = 100

Group = tuple[str, list[tuple[str, str, str]]]


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What the text `q` finds; straight to the object if it names one."""
    campaign, language = campaign_or_404(), current_language()
    typed = " ".join(clean(request.args.get("q", "")).replace("\x00", "").split())[:LONGEST_QUERY]
    named = search.named_by(campaign.charity, typed, language) if typed else None
    if named:
        return redirect(_url_of(named))
    found = search.find_all(campaign.charity, typed, language) if typed else None
    groups = _groups(found, campaign.charity) if found else []
    if typed and has_role(ADMIN) and (staff := _members(typed)):
        groups.append((gettext("Members of staff"), staff))
    return render_template(
        "staff/search.html",
        title=campaign.title(language),
        typed=typed,
        groups=groups,
        all_url=url_for("staff_donation_list.page", **address_of({"q": typed})) if found and found.gifts else "",
        example=format_money(50_00, language),
    )


def _url_of(named: Named) -> str:
    match named.kind:
        case Kind.DONATION:
            return url_for("staff_donations.page", public_id=named.key)
        case Kind.DONOR:
            return url_for("staff_donors.page", donor_id=int(named.key))
        case Kind.RECEIPT:
            return url_for("staff_receipts.page", serial=named.key)
        case Kind.PAYOUT:
            return url_for("staff_settlement.payout", stripe_id=named.key)
        case Kind.QUARANTINE:
            return url_for("staff_quarantine.page")


def _groups(found: Found, charity: Charity) -> list[Group]:
    """What was found, by kind: each with its name, its address and what tells it from others. Kinds without anything are left out."""
    language, states = current_language(), receipt_status_labels()
    shown, labels = shown_states_of(found.gifts), status_labels()
    lines: list[Group] = [
        (
            gettext("Donors"),
            [
                (one.name or one.email or gettext("no name"), url_for("staff_donors.page", donor_id=one.id), one.email)
                for one in found.donors
            ],
        ),
        (gettext("Gifts"), [_gift(gift, charity, labels[shown[gift.id]]) for gift in found.gifts]),
        (
            gettext("Receipts"),
            [
                (
                    one.serial,
                    url_for("staff_receipts.page", serial=one.serial),
                    f"{one.content['donor_name']}, {states[receipts.status_of(one).value]}",
                )
                for one in found.receipts
            ],
        ),
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
        (gettext("Funders"), [(one.name(language), url_for("staff_funds.page"), one.legal_name) for one in found.funders]),
        (gettext("Matching funds"), [(one.name(language), url_for("staff_fund.page", slug=one.slug), "") for one in found.funds]),
    ]
    return [*((heading, rows) for heading, rows in lines if rows), *_notes(found)]


def _notes(found: Found) -> list[Group]:
    """The beginnings of notes, each with the page that it is on."""
    gifts = donations_by_id([note.donation_id for note in found.notes if note.donation_id])
    rows = [
        (
            textwrap.shorten(note.text, NOTE_SHOWN, placeholder=" …"),
            url_for("staff_donors.page", donor_id=note.donor_id, _anchor="notes")
            if note.donation_id is None
            else url_for("staff_donations.page", public_id=gifts[note.donation_id].public_id, _anchor="notes"),
            note.author,
        )
        for note in found.notes
    ]
    return [(gettext("Notes"), rows)] if rows else []


def _name_of(gift: Donation) -> str:
    return gift.full_name or gift.email or gettext("no name")


def _gift(gift: Donation, charity: Charity, state: str) -> tuple[str, str, str]:
    day = _day(charity.local(gift.received_at or gift.started_at))
    name = gettext("%(amount)s – %(name)s", amount=format_money(gift.amount_cents, current_language()), name=_name_of(gift))
    return name, url_for("staff_donations.page", public_id=gift.public_id), f"{day}, {state}"


def _day(moment: Any) -> str:
    return str(format_date(moment.date(), "yyyy-MM-dd"))


def _members(typed: str) -> list[tuple[str, str, str]]:
    """Members whose address has the text."""
    found = [one for one in members.list_members() if typed.casefold() in one.email.casefold()]
    return [(one.email, url_for("staff_members.page"), gettext("you") if one.id == current_user.id else "") for one in found]
