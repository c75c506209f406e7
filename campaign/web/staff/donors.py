"""One page for each donor: who they are, all that they have given, what was sent to them, what they chose and agreed to, and what happened."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.donations import donor_merges, staff_notes
from campaign.donations.declarations import REPORTED
from campaign.donations.donations import Donation
from campaign.donations.donors import ANNUAL, PER_DONATION, Donor, DonorMerge
from campaign.edges.db import db
from campaign.recurring import contact_changes
from campaign.reporting import donor_list, donor_record, privacy_request_list
from campaign.reporting.donor_record import YearSums
from campaign.rules.money import format_money
from campaign.web.errors import campaign_or_404
from campaign.web.labels import declaration_labels, language_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import donor_sections
from campaign.web.staff.keyset_links import page_links, read_position
from campaign.web.staff.monthly_rows import monthly_row
from campaign.web.staff.note_rows import NOTES_SHOWN, note_rows
from campaign.web.staff.privacy_requests import request_row
from campaign.web.staff.typed_fields import LONGEST_REASON

bp = Blueprint("staff_donors", __name__, url_prefix="/staff/donors")


@bp.get("/<int:donor_id>")
@access("viewer")
def page(donor_id: int) -> ResponseReturnValue:
    """Everything about the donor. Gifts, receipts and emails are in pages of their own, which continue from a row."""
    donor = donor_or_404(donor_id)
    campaign, donor_ids = campaign_or_404(), donor_merges.ids_of_person(donor.id)
    charity = campaign.charity
    today = charity.local(datetime.now(UTC)).date()
    latest = donor_list.latest_gifts([donor.id]).get(donor.id)
    years = donor_record.sums_by_year(donor_ids)
    notes, lists = staff_notes.notes_about_donor(donor_ids, limit=NOTES_SHOWN), _lists(donor, donor_ids, charity)
    gifts_and_receipts = [*(gift["public_id"] for gift in lists["gifts"]), *(receipt["serial"] for receipt in lists["receipts"])]
    return render_template(
        "staff/donor.html",
        title=campaign.title(current_language()),
        donor=donor,
        name=name_of(donor, latest),
        latest=latest,
        language_name=language_labels()[latest.language] if latest else "",
        sums=_sums(years),
        **_contacts(donor, donor_ids, latest, charity),
        **lists,
        history_of=[*(f"donor {number}" for number in donor_ids), *gifts_and_receipts],
        **_receipt_choices(donor),
        monthly=[monthly_row(gift) for gift in donor_record.monthly_gifts(donor_ids)],
        consents=donor_sections.consent_rows(donor_ids, charity),
        requests=[request_row(one, today) for one in privacy_request_list.requests_of(charity.id, donor_ids)],
        tributes=donor_sections.tribute_rows(donor_ids, charity),
        notes=note_rows(notes, charity, about_donation=False),
        history=donor_sections.timeline(donor_ids, charity),
        merged_into=donor_merges.merged_into(donor.id),
        merges=_merge_rows(donor, charity),
        may_act=has_role("clerk"),
        may_manage=has_role("manager"),
        longest_reason=LONGEST_REASON,
        longest_note=staff_notes.LONGEST_NOTE,
    )


def name_of(donor: Donor, latest: Donation | None) -> str:
    """What the donor is called: by their latest gift, else by their address."""
    return (latest.full_name if latest else "") or donor.email or gettext("no name")


def _sums(years: list[YearSums]) -> list[dict[str, Any]]:
    """The sums of all gifts and of each year, for each charity that the donor gave to, with its name if there are several."""
    of = {
        one.charity_id: [own for own in years if own.charity_id == one.charity_id] for one in sorted(years, key=lambda one: one.charity_id)
    }
    names = donor_sections.names_of_charities(list(of))
    return [
        {"id": charity_id, "charity": names.get(charity_id, ""), "tiles": _sum_tiles(own), "years": donor_sections.year_rows(own)}
        for charity_id, own in of.items()
    ] or [{"id": 0, "charity": "", "tiles": _sum_tiles([]), "years": []}]


def _sum_tiles(years: list[YearSums]) -> list[tuple[str, str, str]]:
    """The sums of these gifts, with their names and, under them, what they are."""
    language = current_language()
    gross, net, matched, fees = (
        sum(getattr(one, column) for one in years) for column in ("gross_cents", "net_cents", "matched_cents", "covered_fee_cents")
    )
    fee = gettext("and %(fee)s of covered fees", fee=format_money(fees, language)) if fees else ""
    tiles = [(gettext("Given"), format_money(gross, language), fee), (gettext("Matched"), format_money(matched, language), "")]
    if net != gross:
        returned = gettext("%(sum)s was returned", sum=format_money(gross - net, language))
        tiles.insert(1, (gettext("Without what was returned"), format_money(net, language), returned))
    return tiles


def _contacts(donor: Donor, donor_ids: list[int], latest: Donation | None, charity: Charity) -> dict[str, Any]:
    return {
        "contacts": donor_sections.contact_rows(donor_ids, charity),
        "other_emails": [email for email in donor_record.emails_of_gifts(donor_ids) if email.casefold() != donor.email],
        "email_version": contact_changes.version_of_email(latest) if latest else "",
        "corrections": donor_sections.correction_rows(donor_ids, charity),
    }


def _lists(donor: Donor, donor_ids: list[int], charity: Charity) -> dict[str, Any]:
    gifts = donor_record.gifts_page(donor_ids, read_position("gifts_"))
    found = donor_record.receipts_page(donor_ids, read_position("receipts_"))
    mails = donor_record.mails_page(donor_ids, read_position("mails_"))
    pages = {
        of: page_links(page, "staff_donors.page", of=f"{of}_", anchor=of, donor_id=donor.id)
        for of, page in (("gifts", gifts), ("receipts", found), ("mails", mails))
    }
    return {
        "gifts": donor_sections.gift_rows(gifts.rows, charity),
        "receipts": donor_sections.receipt_rows(found.rows),
        "mails": donor_sections.mail_rows(mails.rows),
        "pages": pages,
    }


def _receipt_choices(donor: Donor) -> dict[str, Any]:
    labels = declaration_labels()
    return {
        "is_annual": donor.receipt_preference == ANNUAL,
        "other_choice": PER_DONATION if donor.receipt_preference == ANNUAL else ANNUAL,
        "ways": [(how.value, labels[how]) for how in REPORTED],
        "previews": donor_sections.preview_rows(donor.id),
        "this_year": campaign_or_404().charity.local(datetime.now(UTC)).year,
    }


def _merge_rows(donor: Donor, charity: Charity) -> list[dict[str, Any]]:
    merges = donor_merges.merges_of(donor.id)
    other_ids = [merge.merged_donor_id if merge.primary_donor_id == donor.id else merge.primary_donor_id for merge in merges]
    emails = {other.id: other.email or "" for other in db.session.query(Donor).filter(Donor.id.in_(other_ids))}
    return [_merge_row(merge, donor, other_id, emails[other_id], charity) for merge, other_id in zip(merges, other_ids, strict=True)]


def _merge_row(merge: DonorMerge, donor: Donor, other_id: int, email: str, charity: Charity) -> dict[str, Any]:
    return {
        "id": merge.id,
        "url": url_for("staff_donors.page", donor_id=other_id),
        "other": email or gettext("donor %(number)s", number=other_id),
        "is_primary": merge.primary_donor_id == donor.id,
        "on": charity.local(merge.merged_at).date().isoformat(),
        "by": merge.merged_by,
        "reason": merge.reason,
        "undone_on": charity.local(merge.undone_at).date().isoformat() if merge.undone_at else "",
        "undone_by": merge.undone_by,
    }


def donor_or_404(donor_id: int) -> Donor:
    """The donor with this id."""
    donor = db.session.get(Donor, donor_id)
    if donor is None:
        abort(404)
    return donor
