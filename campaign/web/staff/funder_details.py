"""A funder's details for managers: what their receipts and notices need, and whether they are a registered charity."""

from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders import funder_actions, payment_receipts
from campaign.funders.contributors import funds_contributed_to
from campaign.funders.funder_actions import ChangedDetails
from campaign.funders.funders import ABROAD, PROVINCES, Funder
from campaign.matching.funds import Fund
from campaign.receipts import void_requests
from campaign.rules import business_numbers, typed_text
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionError
from campaign.texts.catalogue import translator
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.public.regions import PROVINCES as PROVINCE_NAMES
from campaign.web.security import access
from campaign.web.staff.payment_form import find_fund_or_404

bp = Blueprint("staff_funder_details", __name__, url_prefix="/staff/funds/<slug>/funder")

LONGEST = {"legal_name": 160, "address": 400, "email": 254, "registration_number": 30}
ADDRESS_LINES = 6
ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True, kw_only=True)
class FunderForm:
    """The fields as typed, and the error of each."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)


@bp.get("")
@access("manager")
def page(slug: str) -> ResponseReturnValue:
    """The form with the funder's details."""
    fund = find_fund_or_404(slug)
    funder = db.session.get_one(Funder, fund.funder_id)
    typed = {name: getattr(funder, name) for name in ("legal_name", "email", "language", "province", "registration_number")}
    own = {"anonymous": "yes" if funder.is_anonymous else ""}
    answers: dict[bool | None, str] = {value: name for name, value in ANSWERS.items()}
    return _page(
        fund,
        FunderForm(typed={**typed, **own, "address": "\n".join(funder.address), "charity": answers.get(funder.is_registered_charity, "")}),
    )


def _page(fund: Fund, form: FunderForm) -> str:
    language = current_language()
    funder = db.session.get_one(Funder, fund.funder_id)
    valid = payment_receipts.list_valid_receipts(funder)
    to_void = [receipt.serial for receipt in valid if funder.is_registered_charity or void_requests.open_for(receipt.id)]
    return render_template(
        "staff/funder_details.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        fund=fund.name(language),
        public_name=funder.name(language),
        contributed_to=[(one.slug, one.name(language)) for one in funds_contributed_to(funder.id)],
        form=form,
        longest=LONGEST,
        provinces={code: gettext("abroad") if code == ABROAD else translator(language).gettext(PROVINCE_NAMES[code]) for code in PROVINCES},
        to_void=to_void,
        is_charity=funder.is_registered_charity,
    )


@bp.post("")
@access("manager", fresh=True)
def change(slug: str) -> ResponseReturnValue:
    """Change the details. Receipts that waited for them are sent. Those that a charity must not have are asked to be voided."""
    fund, form = find_fund_or_404(slug), _read_form()
    if form.errors:
        return _page(fund, form), 422
    funder = db.session.get_one(Funder, fund.funder_id)
    reason = gettext("The funder is a registered charity.")
    changed = funder_actions.change_details(funder, _details(form.typed), actor=current_user.email, void_reason=reason)
    flash(_describe(changed, funder))
    if changed.to_void:
        serials = ", ".join(receipt.serial for receipt in changed.to_void)
        flash(gettext("Another manager is asked to void the receipts that are valid: %(serials)s.", serials=serials), "error")
    if changed.not_to_void:
        serials = ", ".join(receipt.serial for receipt in changed.not_to_void)
        flash(gettext("These receipts stay valid, and nobody is asked to void them any more: %(serials)s.", serials=serials))
    if changed.receipts_due:
        count = changed.receipts_due
        flash(
            ngettext(
                "The receipt of %(num)s earlier payment is issued and sent.",
                "The receipts of %(num)s earlier payments are issued and sent.",
                count,
            )
        )
    return redirect(url_for("staff_funder_details.page", slug=slug), 303)


def _describe(changed: ChangedDetails, funder: Funder) -> str:
    if not changed.fields:
        return str(gettext("Nothing has changed."))
    if funder.is_registered_charity:
        return str(gettext("Noted. As a registered charity it gets no official receipt; its payments are reported apart."))
    return str(gettext("Noted. Receipts from now on show it."))


def _details(typed: dict[str, str]) -> dict[str, Any]:
    answer = {"is_registered_charity": ANSWERS[typed["charity"]]} if typed["charity"] else {}
    number = {"registration_number": business_numbers.normalized(typed["registration_number"])} if typed["charity"] == "yes" else {}
    plain: dict[str, Any] = {name: typed[name] for name in ("legal_name", "email", "language", "province")}
    plain["is_anonymous"] = bool(typed["anonymous"])
    return {**plain, "address": typed["address"].splitlines(), **answer, **number}


def _read_form() -> FunderForm:
    posted = {name: typed_text.clean_lines(request.form.get(name)) for name in ("legal_name", "address", "email", "registration_number")}
    lines = [line for line in (" ".join(line.split()) for line in posted["address"].split("\n")) if line]
    choices = {name: request.form.get(name, "") for name in ("language", "charity", "province", "anonymous")}
    typed = {**posted, "address": "\n".join(lines), **choices}
    errors = {name: error for name in LONGEST if (error := _text_error(name, typed[name]))}
    if len(lines) > ADDRESS_LINES:
        errors["address"] = gettext("Please write the address in %(count)s lines at most.", count=ADDRESS_LINES)
    if typed["language"] not in LANGUAGES:
        errors["language"] = gettext("Please choose a language.")
    if typed["province"] not in {"", *PROVINCES}:
        errors["province"] = gettext("Please choose a province, or abroad.")
    if typed["charity"] not in {"", *ANSWERS}:
        typed["charity"] = ""
    if typed["email"] and "email" not in errors:
        typed["email"], error = _email(typed["email"])
        errors |= {"email": error} if error else {}
    if typed["charity"] == "yes" and not business_numbers.is_registration_number(business_numbers.normalized(typed["registration_number"])):
        errors["registration_number"] = action_errors.describe_error(ActionError.REGISTRATION_NUMBER, current_language())
    return FunderForm(typed=typed, errors=errors)


def _text_error(name: str, text: str) -> str:
    if character := typed_text.first_forbidden(text.replace("\n", " ") if name == "address" else text):
        return describe_forbidden(character, current_language())
    if len(text) > LONGEST[name]:
        return str(gettext("Please enter at most %(count)s characters.", count=LONGEST[name]))
    if name in {"legal_name", "address"} and (characters := pdf.first_unprintable(text)):
        return describe_unprintable(characters, current_language())
    return ""


def _email(text: str) -> tuple[str, str]:
    """The address in its normal form, and what is wrong with it."""
    try:
        return parse_email(text), ""
    except InvalidEmail:
        return text, str(gettext("Please write an email address, for example name@example.org."))
