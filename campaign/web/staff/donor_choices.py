"""What staff choose for a donor who asked them: one receipt for the year or one for each gift; and what a receipt for the year would be by now."""

from flask import Blueprint, Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations.declarations import REPORTED, How
from campaign.donations.donations import donations_by_id, latest_with_email
from campaign.donations.donors import ANNUAL, PER_DONATION
from campaign.receipts import annual, receipt_actions, render_jobs
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff import donors as donor_page
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.donors import donor_or_404
from campaign.web.staff.exports import record_export
from campaign.web.staff.typed_fields import TypedLine, refuse_line, refused

bp = Blueprint("staff_donor_choices", __name__, url_prefix="/staff/donors")


@bp.post("/<int:donor_id>/receipt-choices")
@access("clerk", fresh=True)
def choose(donor_id: int) -> ResponseReturnValue:
    """Record which receipts the donor wants, and how they asked for it."""
    donor, choice, how = donor_or_404(donor_id), request.form.get("choice"), request.form.get("how", "")
    if choice not in {ANNUAL, PER_DONATION}:
        abort(404)
    if how not in set(REPORTED):
        refuse_line("how", TypedLine(error=gettext("Please choose how the donor asked for it.")))
        return refused(donor_page.page(donor_id))
    if receipt_actions.choose_preference_for(donor.id, choice, how=How(how), actor=current_user.email):
        flash(_chosen(donor_id, is_annual=choice == ANNUAL))
    else:
        flash(gettext("The donor has chosen this already. Nothing has changed."))
    return redirect(url_for("staff_donors.page", donor_id=donor_id, _anchor="receipts"), 303)


def _chosen(donor_id: int, *, is_annual: bool) -> str:
    chosen = (
        gettext("From now on the donor gets one receipt for the year, in the January after it.")
        if is_annual
        else gettext("From now on the donor gets a receipt for each gift; those that waited for the year are issued now.")
    )
    notified = (
        gettext("We have emailed them about it.")
        if latest_with_email(donor_id)
        else gettext("They have no email address: please tell them yourself.")
    )
    return f"{chosen} {notified}"


@bp.get("/<int:donor_id>/annual-receipts/<public_id>.pdf")
@access("clerk")
def preview(donor_id: int, public_id: str) -> ResponseReturnValue:
    """A preview of the receipt for a year of which this is the first gift, with its gifts so far. It takes no number."""
    donor = donor_or_404(donor_id)
    first = donation_or_404(public_id)
    found = next((one for one in annual.list_previews(donor.id) if one.donation_ids[0] == first.id), None) or abort(404)
    record_export("preview of a receipt for the year (PDF)", f"donor {donor.id}")
    gifts = donations_by_id(found.donation_ids)
    rendered = render_jobs.render_preview(*(gifts[donation_id] for donation_id in found.donation_ids), received_in=found.year)
    name = file_name(Document.SAMPLE, found.year, donor.id, language=current_language(), extension="pdf")
    return name_file(Response(rendered, mimetype="application/pdf"), name, disposition="inline")
