"""The charity's bank details: an administrator changes them, with a one-time code of that moment beside the password.

Whoever changes them has funders pay into another account, so all administrators are notified (docs/security.md).
"""

from dataclasses import dataclass, field

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns import bank_details
from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.charities import Charity
from campaign.edges import pdf
from campaign.funders import bank_details_actions
from campaign.funders.bank_details_actions import BankDetailsHaveChanged
from campaign.rules import typed_text
from campaign.rules.bank_details import FIELDS, BankAccount, flaws_of, normalized
from campaign.staff.members import ADMIN
from campaign.texts.call_words import describe_flaw
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, limiter
from campaign.web.staff.own_account import own
from campaign.web.staff.second_factor import is_code_right, wrong_code
from campaign.web.staff.sign_in_rules import GUESSES_PER_ACCOUNT

bp = Blueprint("staff_bank_details", __name__, url_prefix="/staff/charity/bank-details")

LONGEST = 120


@dataclass(frozen=True, kw_only=True)
class BankForm:
    """The fields as typed and the error of each. `stored` is what somebody else has set meanwhile, by field."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    seen_id: int = 0


@bp.get("")
@access(ADMIN, fresh=True)
def form() -> ResponseReturnValue:
    """The details in force, in the form that changes them."""
    details = bank_details.details_of(campaign_or_404().charity)
    return _page(BankForm(typed=_typed_of(details), seen_id=details.id if details else 0))


def _typed_of(details: BankDetails | None) -> dict[str, str]:
    return {name: getattr(details, name) if details else "" for name in FIELDS}


def _page(typed: BankForm) -> str:
    charity = campaign_or_404().charity
    details, language = bank_details.details_of(charity), current_language()
    return render_template(
        "staff/bank_details.html",
        title=campaign_or_404().title(language),
        form=typed,
        longest=LONGEST,
        legal_name=charity.legal_name,
        changed_by=details.changed_by if details else "",
        changed_at=format_moment(charity.local(details.changed_at), language) if details else "",
    )


@bp.post("")
@access(ADMIN, fresh=True)
def change() -> ResponseReturnValue:
    """Change the details. All administrators are notified by mail."""
    charity = campaign_or_404().charity
    typed = {name: typed_text.clean(request.form.get(name))[: LONGEST + 1].strip() for name in FIELDS}
    account, seen_id = normalized(typed), int(seen) if (seen := request.form.get("seen", "")).isdigit() and len(seen) < 19 else 0
    errors = _errors_of(account)
    if not errors and not _has_right_code():
        errors = {"code": wrong_code()}
    if errors:
        return _page(BankForm(typed=typed, errors=errors, seen_id=seen_id)), 422
    return _store(charity, account, typed, seen_id=seen_id)


def _store(charity: Charity, account: BankAccount, typed: dict[str, str], *, seen_id: int) -> ResponseReturnValue:
    try:
        has_changed = bank_details_actions.change(charity, account, seen_id=seen_id, actor=current_user.email)
    except BankDetailsHaveChanged:
        details = bank_details.details_of(campaign_or_404().charity)
        stored = {name: text for name, text in _typed_of(details).items() if text != getattr(account, name)}
        return _page(BankForm(typed=typed, stored=stored, seen_id=details.id if details else 0)), 422
    flash(gettext("Saved. All administrators get an email about it.") if has_changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity.page", _anchor="bank-details"), 303)


def _errors_of(account: BankAccount) -> dict[str, str]:
    language = current_language()
    errors = {name: describe_flaw(flaw, language) for name, flaw in flaws_of(account).items()}
    for name in FIELDS:
        text = getattr(account, name)
        if len(text) > LONGEST:
            errors[name] = gettext("This is too long. Please write at most %(longest)s characters.", longest=LONGEST)
        elif character := typed_text.first_forbidden(text):
            errors[name] = describe_forbidden(character, language)
        elif characters := pdf.first_unprintable(text):
            errors[name] = describe_unprintable(characters, language)
    return errors


def _account() -> str:
    return f"bank-details:{own().id}"


@limiter.shared_limit(GUESSES_PER_ACCOUNT, scope="bank-details", key_func=_account, deduct_when=lambda _: "bank_code_error" in g)
def _has_right_code() -> bool:
    """Whether the code is the one that the member's authenticator app shows now. Guesses are counted."""
    if is_code_right(own(), own().tf_totp_secret or ""):
        return True
    g.bank_code_error = True
    own().track_failed_authn("bank details")
    return False
