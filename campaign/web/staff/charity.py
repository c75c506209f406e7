"""The charity's details as receipts print them: what is not real yet, sample receipts, their confirmation by a person, and the logo."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext, ngettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.edges.pdf import RenderingFailed
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations, confirmation_actions, printed_pictures, render_jobs
from campaign.receipts.charity_confirmations import CharityConfirmation
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.confirmation_actions import AlreadyConfirmed, DetailsNotReal, PictureRefused, SampleIsStale, SampleNotOpened
from campaign.rules.charity_details import Detail, Finding, text_of
from campaign.rules.pictures import MAX_BYTES
from campaign.staff.members import ADMIN
from campaign.texts.charity_details import describe_finding, describe_flaw, list_settings, name_of
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, csrf, has_role

bp = Blueprint("staff_charity", __name__, url_prefix="/staff/charity")

SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The details and settings of receipts, what is not real about them, and who confirmed them when."""
    return _page()


def _page(*, box_error: str = "", logo_error: str = "") -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    findings = charity_confirmations.findings_of(charity)
    history = charity_confirmations.list_confirmations(charity, limit=SHOWN)
    return render_template(
        "staff/charity.html",
        title=campaign.title(language),
        details=_details(charity, findings, language),
        settings=list_settings(charity, language, year=charity.local(datetime.now(UTC)).year),
        findings=len(findings),
        is_confirmed=charity.confirmed_at is not None,
        last=_row(history[0], charity) if history and charity.confirmed_at else None,
        history=[_row(confirmation, charity) for confirmation in history],
        waiting=waiting_receipts.count_for(CONFIRMATION),
        fingerprint=charity_confirmations.fingerprint_of(charity),
        samples=_samples(charity),
        may_confirm=has_role(ADMIN),
        has_logo=bool(charity.logo),
        kilobytes=MAX_BYTES // 1024,
        box_error=box_error,
        logo_error=logo_error,
    )


def _details(charity: Charity, findings: list[Finding], language: str) -> list[dict[str, Any]]:
    details, wrong = charity_confirmations.details_of(charity), {finding.detail: finding for finding in findings}
    return [
        {
            "name": name_of(detail, language),
            "lines": _lines(text_of(details, detail), detail),
            "picture": _picture(text_of(details, detail), detail),
            # Text and, at every second place, code.
            "problem": describe_finding(wrong[detail], language).split("`") if detail in wrong else [],
        }
        for detail in Detail
    ]


def _lines(text: str, detail: Detail) -> list[str]:
    if detail not in charity_confirmations.TABLES:
        return text.splitlines() or ["–"]
    if text:
        return []
    return [gettext("none; the name in italics") if detail is Detail.SIGNATURE else gettext("none; the name in large type")]


def _picture(digest: str, detail: Detail) -> str:
    """The stored picture as an address that has it."""
    if detail not in charity_confirmations.TABLES or not digest:
        return ""
    png = printed_pictures.get_picture(charity_confirmations.TABLES[detail], digest)
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _samples(charity: Charity) -> list[dict[str, Any]]:
    unopened = charity_confirmations.unopened_languages(charity, opened_by=current_user.email)
    return [
        {"language": name, "url": url_for("staff_charity.sample", sample_language=name), "is_opened": name not in unopened}
        for name in LANGUAGES
    ]


def _row(confirmation: CharityConfirmation, charity: Charity) -> dict[str, str]:
    return {
        "at": format_datetime(charity.local(confirmation.at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": confirmation.at.isoformat(),
        "actor": confirmation.actor,
        "fingerprint": confirmation.fingerprint or "–",
    }


@bp.get("/sample-<any(en,fr):sample_language>.pdf")
@access("viewer")
def sample(sample_language: str) -> ResponseReturnValue:
    """A sample receipt with the details as they are and an invented donor, marked, without a number. That it was opened is recorded."""
    if request.method == "HEAD":  # Nothing is shown.
        return Response(mimetype="application/pdf")
    try:
        rendered = render_jobs.render_sample(campaign_or_404().charity, sample_language, opened_by=current_user.email)
    except RenderingFailed:
        flash(gettext("A receipt with these details cannot be printed: one of them has an unusual character."), "error")
        return redirect(url_for("staff_charity.page"), 303)
    name = file_name(Document.SAMPLE, sample_language, language=current_language(), extension="pdf")
    return name_file(Response(rendered.pdf, mimetype="application/pdf"), name, disposition="inline")


@bp.post("/confirmations")
@access(ADMIN, fresh=True)
def confirm() -> ResponseReturnValue:
    """Confirm the details as they are on the samples that the member opened."""
    if request.form.get("looked") != "yes":
        return _page(box_error=gettext("Please open the sample receipts, compare them with the registration, and tick the box.")), 422
    member = current_user.email
    try:
        woken = confirmation_actions.confirm(
            campaign_or_404().charity, sample=request.form.get("fingerprint", ""), actor=member, opened_by=member
        )
    except DetailsNotReal:
        flash(gettext("Nothing was confirmed: not everything is real yet. What to do is said below."), "error")
    except AlreadyConfirmed:
        flash(gettext("These details are confirmed already."))
    except SampleIsStale:
        stale = gettext("Nothing was confirmed: the details have changed since you opened the sample receipts. Please open them again.")
        return _page(box_error=stale), 422
    except SampleNotOpened as error:
        return _page(box_error=_describe_unopened(error.languages)), 422
    else:
        flash(gettext("Confirmed. Official receipts are issued for real money."))
        if woken:
            flash(ngettext("%(num)s receipt that waited is being sent.", "%(num)s receipts that waited are being sent.", woken))
    return redirect(url_for("staff_charity.page"), 303)


def _describe_unopened(languages: list[str]) -> str:
    if len(languages) == len(LANGUAGES):
        return gettext("Nothing was confirmed: you have not opened the sample receipts. Please open both, in English and in French.")
    if languages == ["fr"]:
        return gettext("Nothing was confirmed: you have not opened the sample receipt in French.")
    return gettext("Nothing was confirmed: you have not opened the sample receipt in English.")


@bp.post("/logo")
@access(ADMIN, fresh=True, takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a picture.
def change_logo() -> ResponseReturnValue:
    """Print another logo on receipts, or none: the details are then to be confirmed again."""
    csrf.protect()
    charity, file = campaign_or_404().charity, request.files.get("logo")
    is_removal = request.form.get("change") == "remove"
    png = None if is_removal else file.read(MAX_BYTES + 1) if file else b""
    if png == b"":
        lost = gettext("Please choose the picture again: it did not come along while we asked for your password.")
        return _page(logo_error=lost if request.form.get("logo_lost") else gettext("Please choose a picture of the logo.")), 422
    try:
        confirmation_actions.change_logo(charity, png, actor=current_user.email)
    except PictureRefused as error:
        return _page(logo_error=describe_flaw(error.flaw, current_language())), 422
    flash(gettext("The logo is removed.") if is_removal else gettext("The logo is changed."))
    return redirect(url_for("staff_charity.page"), 303)
