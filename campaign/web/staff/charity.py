"""The charity's details as receipts print them: what is not real yet, a sample receipt, and the confirmation by a person."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext, ngettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations, confirmation_actions, render_jobs
from campaign.receipts.charity_confirmations import CharityConfirmation
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.confirmation_actions import DetailsNotReal, SampleIsStale
from campaign.rules.charity_details import Detail, text_of
from campaign.staff.members import ADMIN
from campaign.texts.charity_details import describe_finding, name_of
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_charity", __name__, url_prefix="/staff/charity")

SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The details, what is not real about them, and who confirmed them when."""
    return _page()


def _page(box_error: str = "") -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    findings = charity_confirmations.findings_of(charity)
    history = charity_confirmations.list_confirmations(charity, limit=SHOWN)
    return render_template(
        "staff/charity.html",
        title=campaign.title(language),
        details=_details(charity, language),
        findings=[{"name": name_of(one.detail, language), "parts": describe_finding(one, language).split("`")} for one in findings],
        is_confirmed=charity.confirmed_at is not None,
        last=_row(history[0], charity) if history and charity.confirmed_at else None,
        history=[_row(confirmation, charity) for confirmation in history],
        waiting=waiting_receipts.count_for(CONFIRMATION),
        fingerprint=charity_confirmations.fingerprint_of(charity),
        samples=[{"language": name, "url": url_for("staff_charity.sample", sample_language=name)} for name in LANGUAGES],
        may_confirm=has_role(ADMIN),
        box_error=box_error,
    )


def _details(charity: Charity, language: str) -> list[dict[str, Any]]:
    details = charity_confirmations.details_of(charity)
    return [{"name": name_of(detail, language), "lines": _lines(text_of(details, detail), detail)} for detail in Detail]


def _lines(text: str, detail: Detail) -> list[str]:
    if detail is Detail.SIGNATURE:
        return [gettext("a picture, on the sample") if text else gettext("none; the name in italics")]
    return text.splitlines() or ["–"]


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
    """A sample receipt with the details as they are and an invented donor, marked, without a number."""
    response = Response(render_jobs.render_sample(campaign_or_404().charity, sample_language), mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="sample-{sample_language}.pdf"'
    return response


@bp.post("/confirmations")
@access(ADMIN, fresh=True)
def confirm() -> ResponseReturnValue:
    """Confirm the details as they were on the page, having seen the sample."""
    if request.form.get("looked") != "yes":
        return _page(gettext("Please open the sample receipt, compare it with the registration, and tick the box.")), 422
    try:
        woken = confirmation_actions.confirm(
            campaign_or_404().charity, sample=request.form.get("fingerprint", ""), actor=current_user.email
        )
        flash(gettext("Confirmed. Official receipts are issued for real money."))
        if woken:
            flash(ngettext("%(num)s receipt that waited is being sent.", "%(num)s receipts that waited are being sent.", woken))
    except DetailsNotReal:
        flash(gettext("Nothing was confirmed: not everything is real yet. What to do is said below."), "error")
    except SampleIsStale:
        flash(
            gettext("Nothing was confirmed: the details have changed since you opened the page. Please look at the sample again."), "error"
        )
    return redirect(url_for("staff_charity.page"), 303)
