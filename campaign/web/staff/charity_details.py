"""The forms in which managers change the charity's details, group by group, and the pictures on receipts.

Nothing typed is lost, and no change of somebody else is overwritten unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.outbox import waiting_receipts
from campaign.receipts import charity_actions, charity_confirmations
from campaign.receipts.charity_actions import DetailsHaveChanged, PictureRefused
from campaign.receipts.charity_confirmations import DetailsNotReal
from campaign.receipts.completeness import CONFIRMATION
from campaign.rules import fiscal_years, typed_text
from campaign.rules.charity_details import CONTACTS, LONGEST, OPTIONAL, PICTURES, Detail, normalized, text_of
from campaign.rules.fiscal_years import InvalidYearEnd
from campaign.rules.pictures import MAX_BYTES
from campaign.texts.charity_details import describe_finding, describe_flaw, name_of
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, csrf
from campaign.web.staff.charity_rows import changed_since_confirmed, name_of_group, picture_of

bp = Blueprint("staff_charity_details", __name__, url_prefix="/staff/charity")

GROUPS: Mapping[str, tuple[Detail, ...]] = {
    "legal": (
        *(Detail.LEGAL_NAME, Detail.NAME_EN, Detail.NAME_FR, Detail.ADDRESS),
        *(Detail.REGISTRATION_NUMBER, Detail.PLACE_OF_ISSUE),
    ),
    "signatory": (Detail.SIGNATORY_NAME, Detail.SIGNATORY_TITLE_EN, Detail.SIGNATORY_TITLE_FR),
    "contact": CONTACTS,
}
# It decides about returns, and about no receipt.
FISCAL_YEAR_END = "fiscal_year_end"
TYPES = {Detail.EMAIL: "email", Detail.PHONE: "tel", Detail.PRIVACY_OFFICER: "email"}


@dataclass(frozen=True, kw_only=True)
class DetailsForm:
    """The fields as typed, the error of each, and what is stored of those that somebody else has changed meanwhile."""

    typed: dict[str, str]
    version: str
    errors: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)


@bp.get("/<any(legal,signatory,contact):group>")
@access("manager", fresh=True)
def form(group: str) -> ResponseReturnValue:
    """The form with the details of a group. Asking for the password before it is filled in keeps what is typed."""
    charity = campaign_or_404().charity
    typed = _stored(charity, group)
    return _page(group, DetailsForm(typed=typed, version=charity_actions.version_of(charity, list(typed))))


def _stored(charity: Charity, group: str) -> dict[str, str]:
    details = charity_confirmations.details_of(charity)
    year_end = {FISCAL_YEAR_END: charity.fiscal_year_end} if group == "contact" else {}
    return {detail.value: text_of(details, detail) for detail in GROUPS[group]} | year_end


def _page(group: str, typed: DetailsForm) -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    changed = changed_since_confirmed(charity)
    return render_template(
        "staff/charity_form.html",
        title=campaign.title(language),
        group=group,
        name=name_of_group(group),
        stops_receipts=group != "contact",
        waiting=waiting_receipts.count_for(CONFIRMATION, charity),
        version=typed.version,
        has_changed=bool(typed.stored),
        fields=[_field(name, typed, changed) for name in typed.typed],
    )


def _field(name: str, form: DetailsForm, changed: Mapping[Detail, str]) -> dict[str, Any]:
    text, error = form.typed[name], form.errors.get(name, "")
    row = {"name": name, "value": text, "error": error, "help": _help(name), "stored": form.stored.get(name, "").replace("\n", "; ")}
    if name == FISCAL_YEAR_END:
        return {
            **row,
            "label": gettext("End of the fiscal year"),
            "type": "text",
            "longest": 5,
            "is_long": False,
            "was": "",
            "is_required": True,
        }
    detail = Detail(name)
    return {
        **row,
        "label": name_of(detail, current_language()),
        "type": TYPES.get(detail, "text"),
        "longest": LONGEST[detail],
        "is_long": detail is Detail.ADDRESS,
        "is_required": detail not in OPTIONAL,
        "was": changed.get(detail, "").replace("\n", "; "),
    }


def _help(name: str) -> str:
    helps = {
        Detail.LEGAL_NAME.value: gettext("As on file with the Canada Revenue Agency. Receipts print it."),
        Detail.NAME_EN.value: gettext("On pages and in emails in English"),
        Detail.NAME_FR.value: gettext("On pages and in emails in French"),
        Detail.ADDRESS.value: gettext("As on file with the Canada Revenue Agency, line by line, with the postal code"),
        Detail.REGISTRATION_NUMBER.value: gettext("Nine digits, RR and four digits, as 123456782RR0001"),
        Detail.PLACE_OF_ISSUE.value: gettext("A city or town alone"),
        Detail.EMAIL.value: gettext("Pages and emails name it, and donors’ answers to emails go to it."),
        Detail.PHONE.value: gettext("Optional. Pages and emails name it beside the email address."),
        Detail.WEBSITE.value: gettext("Begins with https://, which is added if you leave it out"),
        Detail.PRIVACY_OFFICER.value: gettext("Donors send questions about privacy to it."),
        FISCAL_YEAR_END: gettext("Month and day, as 03-31. It bounds the charity’s returns."),
    }
    return helps.get(name, "")


@bp.post("/<any(legal,signatory,contact):group>")
@access("manager", fresh=True)
def change(group: str) -> ResponseReturnValue:
    """Change the details of a group. What is confirmed must be confirmed again before receipts go on."""
    charity, version = campaign_or_404().charity, request.form.get("version", "")
    typed = {name: typed_text.clean_lines(request.form.get(name)) for name in _stored(charity, group)}
    values: dict[str, Any] = {detail.value: normalized(detail, typed[detail.value]) for detail in GROUPS[group]}
    try:
        if FISCAL_YEAR_END in typed:
            values[FISCAL_YEAR_END] = fiscal_years.parse_year_end(typed[FISCAL_YEAR_END])
        changed = charity_actions.change(charity, values, actor=current_user.email, version=version)
    except InvalidYearEnd:
        error = {FISCAL_YEAR_END: gettext("Please write a month and a day, for example 03-31.")}
        return _page(group, DetailsForm(typed=typed, version=version, errors=error)), 422
    except DetailsNotReal as error:
        errors = {finding.detail.value: describe_finding(finding, current_language()) for finding in error.findings}
        return _page(group, DetailsForm(typed=typed, version=version, errors=errors)), 422
    except DetailsHaveChanged:
        stored = {name: text for name, text in _stored(charity, group).items() if text != typed[name]}
        return _page(group, DetailsForm(typed=typed, version=charity_actions.version_of(charity, list(typed)), stored=stored)), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity.page"), 303)


@bp.get("/pictures")
@access("manager", fresh=True)
def pictures() -> ResponseReturnValue:
    """The forms for the pictures of the signature and of the logo."""
    return _pictures_page()


def _pictures_page(*, wrong: str = "", error: str = "") -> str:
    campaign, language = campaign_or_404(), current_language()
    charity = campaign.charity
    return render_template(
        "staff/charity_pictures.html",
        title=campaign.title(language),
        waiting=waiting_receipts.count_for(CONFIRMATION, charity),
        pictures=[
            {
                "name": detail.value,
                "label": name_of(detail, language),
                "picture": picture_of(detail, text_of(charity_confirmations.details_of(charity), detail)),
                "version": charity_actions.version_of(charity, [detail.value]),
                "is_optional": detail is Detail.LOGO,
                "error": error if detail == wrong else "",
            }
            for detail in PICTURES
        ],
        kilobytes=MAX_BYTES // 1024,
    )


@bp.post("/<any(signature,logo):picture>")
@access("manager", fresh=True, takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a picture.
def change_picture(picture: str) -> ResponseReturnValue:
    """Print another signature or logo on receipts, or no logo: the details are then to be confirmed again."""
    csrf.protect()
    charity, file, version = campaign_or_404().charity, request.files.get(picture), request.form.get("version", "")
    is_removal = picture == Detail.LOGO and request.form.get("change") == "remove"
    png = file.read(MAX_BYTES + 1) if file else b""
    if not png and not is_removal:
        lost = gettext("Please choose the picture again: it did not come along while we asked for your password.")
        error = lost if request.form.get(f"{picture}_lost") else gettext("Please choose a picture.")
        return _pictures_page(wrong=picture, error=error), 422
    try:
        stored = {picture: None} if is_removal else charity_actions.store_pictures(charity, {Detail(picture): png})
        changed = charity_actions.change(charity, stored, actor=current_user.email, version=version)
    except PictureRefused as refused:
        return _pictures_page(wrong=picture, error=describe_flaw(refused.flaw, current_language())), 422
    except DetailsHaveChanged:
        error = gettext("Somebody has changed this picture since you opened the page. It is shown here; choose yours again to replace it.")
        return _pictures_page(wrong=picture, error=error), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity.page"), 303)
