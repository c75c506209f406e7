"""Erasing the person of a privacy request: what would be erased and what stays, before it is confirmed; and the download of all about them."""

from flask import Blueprint, Response, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.pdf import RenderingFailed
from campaign.edges.pdf_signing import SigningKeyMissing
from campaign.privacy import erasure, people, privacy_request_actions, privacy_requests
from campaign.privacy.erasure import Preview
from campaign.privacy.privacy_request_actions import RequestClosed
from campaign.privacy.privacy_requests import PrivacyRequest, RequestKind
from campaign.rules.money import format_money
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import person_file
from campaign.web.staff.exports import list_name
from campaign.web.staff.privacy_requests import request_or_404
from campaign.web.staff.privacy_words import describe_prevented, erased_labels, stays_labels

bp = Blueprint("staff_privacy_erasure", __name__, url_prefix="/staff/privacy-requests")


@bp.get("/<int:request_id>/erasure")
@access("viewer")
def page(request_id: int) -> ResponseReturnValue:
    """What an erasure would do."""
    found, donor_id = _ready_or_404(request_id)
    return _page(found, erasure.preview(donor_id))


def _page(found: PrivacyRequest, preview: Preview) -> str:
    campaign, language = campaign_or_404(), current_language()
    erased, stays = erased_labels(), stays_labels()
    assert found.donor_id is not None
    person = people.get_person(found.donor_id)
    return render_template(
        "staff/privacy_erasure.html",
        title=campaign.title(language),
        request_id=found.id,
        person=", ".join([*person.names[:1], *person.emails]) or found.person,
        is_done=preview.is_done,
        is_possible=preview.is_possible,
        erased=[(erased[what], count) for what, count in preview.erased.items()],
        stays=[(stays[what], count) for what, count in preview.stays.items()],
        until=format_day(preview.until, language) if preview.until else "",
        prevented=[
            (describe_prevented(why, len(gifts)), [(gift.public_id, format_money(gift.amount_cents, language)) for gift in gifts])
            for why, gifts in preview.prevented.items()
        ],
        is_identified=privacy_requests.is_identified(found.id),
        is_open=found.closed_at is None,
        is_erasure=found.kind == RequestKind.ERASURE,
        may_erase=has_role("manager"),
    )


@bp.post("/<int:request_id>/erasure")
@access("manager", fresh=True)
def erase(request_id: int) -> ResponseReturnValue:
    """Erase the person."""
    found, _ = _ready_or_404(request_id)
    if not privacy_requests.is_identified(found.id) or found.kind != RequestKind.ERASURE:
        flash(gettext("Verify first who asks. Nothing is erased."), "error")
        return redirect(url_for("staff_privacy_requests.one", request_id=request_id), 303)
    try:
        result = privacy_request_actions.erase(found.id, actor=current_user.email)
    except RequestClosed:
        flash(gettext("Somebody else has closed this request, or opened it again, in the meantime. Nothing was changed."), "error")
        return redirect(url_for("staff_privacy_requests.one", request_id=request_id), 303)
    if not result.is_possible:
        return _page(found, result), 409
    flash(
        gettext("There was nothing left to erase.")
        if result.is_done
        else gettext("The person is erased. The proof is in the history below.")
    )
    return redirect(url_for("staff_privacy_requests.one", request_id=request_id), 303)


@bp.get("/<int:request_id>/person.zip")
@access("manager", fresh=True)
def download(request_id: int) -> ResponseReturnValue:
    """All about the person in one file, which is nowhere stored."""
    found, donor_id = _ready_or_404(request_id)
    if found.closed_at is not None or not privacy_requests.is_identified(found.id):
        flash(gettext("Verify first who asks, in an open request. Nothing is downloaded."), "error")
        return redirect(url_for("staff_privacy_requests.one", request_id=request_id), 303)
    try:
        file = person_file.build(donor_id)
    except (RenderingFailed, SigningKeyMissing):
        flash(gettext("A receipt could not be rendered. Please try again in a minute."), "error")
        return redirect(url_for("staff_privacy_requests.one", request_id=request_id), 303)
    privacy_request_actions.record_export(found, actor=current_user.email, sha256=file.sha256, gifts=file.gifts, receipts=file.receipts)
    name = list_name(campaign_or_404().charity, Document.PERSON, "zip")
    return name_file(Response(file.content, mimetype="application/zip"), name)


def _ready_or_404(request_id: int) -> tuple[PrivacyRequest, int]:
    """The request, and the donor that its person is."""
    found = request_or_404(request_id)
    if found.donor_id is None:
        abort(404)
    return found, found.donor_id
