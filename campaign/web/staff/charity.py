"""The charity's details: what is not real yet or not confirmed, sample receipts, and the confirmation by a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext, ngettext
from flask_security import current_user

from campaign.campaigns import bank_details, page_logos
from campaign.campaigns.charities import Charity
from campaign.edges.pdf import RenderingFailed
from campaign.mail.letters.bank_details import describe_account
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_confirmations, confirmation_actions, render_jobs
from campaign.receipts.charity_confirmations import CharityConfirmation, DetailsNotReal
from campaign.receipts.completeness import CONFIRMATION
from campaign.receipts.confirmation_actions import AlreadyConfirmed, SampleIsStale, SampleNotOpened
from campaign.rules.charity_details import PICTURES, Detail, Finding, text_of
from campaign.staff.members import ADMIN
from campaign.texts.charity_details import describe_finding, format_year_end, list_settings, name_of
from campaign.texts.dates import format_moment
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, has_role
from campaign.web.staff.charity_details import GROUPS
from campaign.web.staff.charity_rows import changed_since_confirmed, name_of_group, picture_of

bp = Blueprint("staff_charity", __name__, url_prefix="/staff/charity")

SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The details and settings of receipts, what is not real about them, and who confirmed them when."""
    return _page()


def _page(*, box_error: str = "") -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    findings = charity_confirmations.findings_of(charity)
    history = charity_confirmations.list_confirmations(charity, limit=SHOWN)
    return render_template(
        "staff/charity.html",
        title=campaign.title(language),
        groups=_groups(charity, findings, language),
        settings=list_settings(charity, language, year=charity.local(datetime.now(UTC)).year),
        findings=len(findings),
        is_confirmed=charity.confirmed_at is not None,
        last=_row(history[0], charity) if history and charity.confirmed_at else None,
        history=[_row(confirmation, charity) for confirmation in history],
        waiting=waiting_receipts.count_for(CONFIRMATION, charity),
        fingerprint=charity_confirmations.fingerprint_of(charity),
        samples=_samples(charity),
        page_logo=page_logos.shown_logo(charity.page_logo),
        charity_name=charity.name(language),
        bank=_bank_row(charity),
        may_confirm=has_role(ADMIN),
        may_edit=has_role("manager"),
        box_error=box_error,
    )


def _bank_row(charity: Charity) -> dict[str, str] | None:
    """The account that calls for funds state, with the end of its number alone; None until it is set."""
    details = bank_details.details_of(charity)
    if details is None:
        return None
    changed_at = format_moment(charity.local(details.changed_at), current_language())
    return {"account": describe_account(details), "changed_by": details.changed_by, "changed_at": changed_at}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A detail as it is, what is wrong with it, and what it was if that change is not confirmed yet. Pictures are addresses that have them."""

    name: str
    lines: list[str]
    picture: str = ""
    problem: str = ""
    is_changed: bool = False
    was: str = ""
    picture_was: str = ""


def _groups(charity: Charity, findings: list[Finding], language: str) -> list[dict[str, Any]]:
    """What is printed, and then how donors reach the charity."""
    shown = {"legal": GROUPS["legal"], "signatory": GROUPS["signatory"], "pictures": PICTURES, "contact": GROUPS["contact"]}
    problems = {finding.detail: describe_finding(finding, language) for finding in findings}
    details, changed = charity_confirmations.details_of(charity), changed_since_confirmed(charity)
    rows = {
        group: [_detail_row(detail, text_of(details, detail), problems.get(detail, ""), changed, language) for detail in in_group]
        for group, in_group in shown.items()
    }
    year_end = format_year_end(charity.fiscal_year_end, language)
    rows["contact"].append(Row(name=gettext("End of the fiscal year"), lines=[year_end]))
    return [{"key": group, "name": name_of_group(group), "url": _form_address(group), "rows": rows[group]} for group in shown]


def _form_address(group: str) -> str:
    return url_for("staff_charity_details.form", group=group) if group in GROUPS else url_for("staff_charity_details.pictures")


def _detail_row(detail: Detail, text: str, problem: str, changed: Mapping[Detail, str], language: str) -> Row:
    is_picture, was = detail in PICTURES, changed.get(detail, "")
    return Row(
        name=name_of(detail, language),
        lines=_instead(text, detail) if is_picture else text.splitlines() or ["–"],
        picture=picture_of(detail, text),
        problem=problem,
        is_changed=detail in changed,
        was=was.replace("\n", "; ") or gettext("none"),
        picture_was=picture_of(detail, was),
    )


def _instead(text: str, detail: Detail) -> list[str]:
    """What is printed without a picture."""
    if text:
        return []
    return [gettext("none; the name in italics") if detail is Detail.SIGNATURE else gettext("none; the name in large type")]


def _samples(charity: Charity) -> list[dict[str, Any]]:
    unopened = charity_confirmations.unopened_languages(charity, opened_by=current_user.email)
    names = {"en": gettext("Sample receipt in English (PDF)"), "fr": gettext("Sample receipt in French (PDF)")}
    return [
        {"language": of, "name": names[of], "url": url_for("staff_charity.sample", sample_language=of), "is_opened": of not in unopened}
        for of in LANGUAGES
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
            flash(ngettext("%(num)s receipt that waited is being issued.", "%(num)s receipts that waited are being issued.", woken))
    return redirect(url_for("staff_charity.page"), 303)


def _describe_unopened(languages: list[str]) -> str:
    if len(languages) == len(LANGUAGES):
        return gettext("Nothing was confirmed: you have not opened the sample receipts. Please open both, in English and in French.")
    if languages == ["fr"]:
        return gettext("Nothing was confirmed: you have not opened the sample receipt in French.")
    return gettext("Nothing was confirmed: you have not opened the sample receipt in English.")
