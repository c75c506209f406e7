"""One donor for staff: their gifts, and merging them with another donor who is the same person, or separating the two again."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext, ngettext
from flask_security import current_user

from campaign.donations import donor_merges
from campaign.donations.donations import Donation, count_donations, donations_of
from campaign.donations.donor_merges import NotMergeable
from campaign.donations.donors import ANNUAL, Donor, DonorMerge, donor_at
from campaign.edges.db import db
from campaign.payments.status import status_of
from campaign.receipts import donor_merge_actions
from campaign.rules.money import format_money
from campaign.web.errors import campaign_or_404
from campaign.web.labels import status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason

bp = Blueprint("staff_donors", __name__, url_prefix="/staff/donors")

GIFTS_SHOWN = 100
MAX_EMAIL_LENGTH = 254


@bp.get("/<int:donor_id>")
@access("viewer")
def page(donor_id: int) -> ResponseReturnValue:
    """The donor, their latest gifts and merges. `?other=` is the address of a donor to merge with: the page then says what that would do."""
    return _page(donor_id, request.args.get("other", "")[:MAX_EMAIL_LENGTH].strip())


def _page(donor_id: int, typed: str) -> str:
    campaign, donor = campaign_or_404(), _donor_or_404(donor_id)
    other = donor_at(typed) if typed and has_role("manager") else None
    gifts = donations_of(donor.id, limit=GIFTS_SHOWN)
    return render_template(
        "staff/donor.html",
        title=campaign.title(current_language()),
        donor=donor,
        is_annual=donor.receipt_preference == ANNUAL,
        gifts=[_gift_row(gift) for gift in gifts],
        is_cut=len(gifts) == GIFTS_SHOWN,
        merges=[_merge_row(merge, donor) for merge in donor_merges.merges_of(donor.id)],
        typed=typed,
        error=_why_not(typed, donor, other),
        other=other,
        other_count=_count(other) if other else "",
        people=[(person.email, _known_as(person)) for person in (other, donor)] if other else [],
        may_merge=has_role("manager"),
        longest_reason=LONGEST_REASON,
    )


def _why_not(typed: str, donor: Donor, other: Donor | None) -> str:
    """Why the donor with the typed address cannot be merged into this one; empty when there is no reason."""
    if not typed or not has_role("manager"):
        return ""
    if other is None:
        return str(gettext("No donor has the address %(email)s.", email=typed))
    if other.id == donor.id:
        return str(gettext("This is the address of this donor."))
    return ""


def _known_as(donor: Donor) -> list[str]:
    """The name and the lines of the address of the donor's latest gift; empty when there is none."""
    latest = donations_of(donor.id, limit=1)
    return [latest[0].full_name, *latest[0].address_lines] if latest else []


def _count(donor: Donor) -> str:
    number = count_donations(donor.id)
    return str(ngettext("%(num)d gift", "%(num)d gifts", number))


def _gift_row(gift: Donation) -> dict[str, Any]:
    charity = gift.campaign.charity
    return {
        "public_id": gift.public_id,
        "on": format_date(charity.local(gift.received_at or gift.started_at).date(), "yyyy-MM-dd"),
        "name": gift.full_name,
        "amount": format_money(gift.amount_cents, current_language()),
        "state": status_labels()[status_of(gift).state],
        "email": gift.email,
    }


def _merge_row(merge: DonorMerge, donor: Donor) -> dict[str, Any]:
    charity = campaign_or_404().charity
    other_id = merge.merged_donor_id if merge.primary_donor_id == donor.id else merge.primary_donor_id
    return {
        "id": merge.id,
        "other": db.session.get_one(Donor, other_id),
        "is_primary": merge.primary_donor_id == donor.id,
        "on": format_date(charity.local(merge.merged_at).date(), "yyyy-MM-dd"),
        "by": merge.merged_by,
        "reason": merge.reason,
        "undone_on": format_date(charity.local(merge.undone_at).date(), "yyyy-MM-dd") if merge.undone_at else "",
        "undone_by": merge.undone_by,
    }


@bp.post("/<int:donor_id>/merges")
@access("manager", fresh=True)
def merge(donor_id: int) -> ResponseReturnValue:
    """Merge the donor with the posted id into this one."""
    donor, reason = _donor_or_404(donor_id), read_reason()
    other = db.session.get(Donor, request.form.get("other", 0, type=_id))
    if other is None:
        abort(404)
    if not reason:
        return _page(donor_id, other.email or ""), 422
    try:
        donor_merge_actions.merge(donor.id, other.id, actor=current_user.email, reason=reason)
        flash(gettext("The two are one donor now. Email goes to %(email)s.", email=donor.email))
    except NotMergeable:
        flash(gettext("One of the two is part of another merge. Undo that one first, or merge the other way round."), "error")
    return redirect(url_for("staff_donors.page", donor_id=donor_id), 303)


@bp.post("/<int:donor_id>/merges/<int:merge_id>/undo")
@access("manager", fresh=True)
def undo(donor_id: int, merge_id: int) -> ResponseReturnValue:
    """Separate the two donors of a merge again."""
    found = db.session.get(DonorMerge, merge_id)
    if found is None or donor_id not in {found.primary_donor_id, found.merged_donor_id}:
        abort(404)
    if donor_merge_actions.undo(merge_id, actor=current_user.email):
        flash(gettext("The two are separate donors again."))
    return redirect(url_for("staff_donors.page", donor_id=donor_id), 303)


def _id(typed: str) -> int:
    """The id in a hidden field; 0 for what is none."""
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else 0


def _donor_or_404(donor_id: int) -> Donor:
    donor = db.session.get(Donor, donor_id)
    if donor is None:
        abort(404)
    return donor
