"""Merging two donors who are one person: the other one is found by name, email, receipt or gift, both are compared, and it can be undone."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.donations import donor_merges
from campaign.donations.donor_merges import EmailWouldBeLost, NotMergeable
from campaign.donations.donors import ANNUAL, Donor, DonorMerge
from campaign.edges.db import db
from campaign.receipts import donor_merge_actions
from campaign.reporting import donor_list, donor_record, search
from campaign.reporting.search_terms import LONGEST_QUERY
from campaign.rules.money import format_money
from campaign.rules.typed_text import clean
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.donors import donor_or_404, name_of
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_donor_merges", __name__, url_prefix="/staff/donors")

LONGEST_NUMBER = 18


@bp.get("/<int:donor_id>/merges")
@access("manager")
def page(donor_id: int) -> ResponseReturnValue:
    """The other donor by `?q=`, or both side by side once it is known by `?other=`, before anything is merged."""
    donor = donor_or_404(donor_id)
    other = db.session.get(Donor, _id(request.values.get("other", "")))
    typed = " ".join(clean(request.args.get("q")).replace("\x00", "").split())[:LONGEST_QUERY]
    campaign, language = campaign_or_404(), current_language()
    found = [] if other or not typed else search.find_donors(typed, language)
    others = [one for one in found if one.id != donor.id]
    if len(others) == 1 and len(found) == 1:
        other = db.session.get(Donor, others[0].id)
    pair = [donor, other] if other and other.id != donor.id else []
    return render_template(
        "staff/donor_merge.html",
        title=campaign.title(language),
        donor=donor,
        name=name_of(donor, donor_list.latest_gifts([donor.id]).get(donor.id)),
        typed=typed,
        found=[(one.name or one.email or gettext("no name"), one.email, _url(donor, one.id)) for one in others],
        error=_why_none(donor, other, typed, others, is_found=bool(found)),
        people=[_person(one, campaign.charity) for one in pair],
        other=pair[1] if pair else None,
        primary_id=_proposed_primary(donor, pair).id,
        refused=_why_not_mergeable(pair),
        longest_reason=LONGEST_REASON,
    )


def _url(donor: Donor, other_id: int) -> str:
    return url_for("staff_donor_merges.page", donor_id=donor.id, other=other_id)


def _why_none(donor: Donor, other: Donor | None, typed: str, others: list[Any], *, is_found: bool) -> str:
    """Why there is nobody to compare with; empty when there is no reason."""
    if other is not None and other.id == donor.id:
        return str(gettext("This is the donor themselves. Please look for the other one."))
    if other is not None or not typed or others:
        return ""
    return str(gettext("This finds the donor themselves.") if is_found else gettext("No donor is found for “%(typed)s”.", typed=typed))


def _proposed_primary(donor: Donor, pair: list[Donor]) -> Donor:
    """Whom the form proposes to keep: the donor, or the one with an email address."""
    posted = _id(request.form.get("keep", ""))
    chosen = next((one for one in pair if one.id == posted), None)
    return chosen or next((one for one in pair if one.email), donor)


def _why_not_mergeable(pair: list[Donor]) -> str:
    """Why the two cannot be merged whichever is kept; empty when they can."""
    for one in pair:
        if donor_merges.merged_into(one.id):
            return str(gettext("One of the two is merged into another donor already. Undo that first, or choose the donor who was kept."))
    return ""


def _person(donor: Donor, charity: Charity) -> dict[str, Any]:
    """What tells two donors apart or shows that they are one."""
    language, donor_ids = current_language(), donor_merges.ids_of_person(donor.id)
    latest = donor_list.latest_gifts([donor.id]).get(donor.id)
    years = donor_record.sums_by_year(donor_ids)
    monthly = [gift for gift in donor_record.monthly_gifts(donor_ids) if not gift.is_over]
    return {
        "id": donor.id,
        "name": name_of(donor, latest),
        "email": donor.email or gettext("none"),
        "has_email": donor.email is not None,
        "lines": latest.address_lines if latest else (),
        "gifts": ngettext("%(num)s gift", "%(num)s gifts", sum(one.gifts for one in years)),
        "given": format_money(sum(one.net_cents for one in years), language),
        "matched": format_money(sum(one.matched_cents for one in years), language),
        "since": charity.local(donor.created_at).date().isoformat(),
        "receipts": gettext("One official receipt for the year")
        if donor.receipt_preference == ANNUAL
        else gettext("An official receipt for each gift"),
        "monthly": ngettext("%(num)s goes on", "%(num)s go on", len(monthly)) if monthly else gettext("none"),
    }


@bp.post("/<int:donor_id>/merges")
@access("manager", fresh=True)
def merge(donor_id: int) -> ResponseReturnValue:
    """Merge the donor with the posted id and this one into the one who is kept."""
    donor, other, reason = donor_or_404(donor_id), db.session.get(Donor, _id(request.form.get("other", ""))), read_reason()
    if other is None:
        abort(404)
    if not reason:
        return refused(page(donor_id))
    primary, merged = (other, donor) if _id(request.form.get("keep", "")) == other.id else (donor, other)
    try:
        donor_merge_actions.merge(primary.id, merged.id, actor=current_user.email, reason=reason)
    except EmailWouldBeLost:
        flash(gettext("Keep the one with an email address: the donor could not be written to otherwise."), "error")
        return redirect(_url(donor, other.id), 303)
    except NotMergeable:
        flash(gettext("One of the two is part of another merge. Undo that one first, or merge the other way round."), "error")
        return redirect(_url(donor, other.id), 303)
    flash(
        gettext("The two are one donor now. Email goes to %(email)s.", email=primary.email)
        if primary.email
        else gettext("The two are one donor now, without an email address.")
    )
    return redirect(url_for("staff_donors.page", donor_id=primary.id), 303)


@bp.post("/<int:donor_id>/merges/<int:merge_id>/undo")
@access("manager", fresh=True)
def undo(donor_id: int, merge_id: int) -> ResponseReturnValue:
    """Separate the two donors of a merge again."""
    found = db.session.get(DonorMerge, merge_id)
    if found is None or donor_id not in {found.primary_donor_id, found.merged_donor_id}:
        abort(404)
    if donor_merge_actions.undo(merge_id, actor=current_user.email):
        flash(gettext("The two are separate donors again."))
    return redirect(url_for("staff_donors.page", donor_id=donor_id, _anchor="merges"), 303)


def _id(typed: str) -> int:
    """The id in a field; 0 for what is none."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= LONGEST_NUMBER else 0
