"""The page on which managers name the charity's accounts for the journal, with what they were before."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns import journal_account_actions, journal_accounts
from campaign.campaigns.charities import Charity
from campaign.campaigns.journal_account_actions import AccountsChanged
from campaign.campaigns.journal_accounts import JournalAccount
from campaign.rules import typed_text
from campaign.rules.journal import (
    LONGEST_CODE,
    LONGEST_NAME,
    LONGEST_TAX_CODE,
    Account,
    AccountError,
    Purpose,
    account_errors,
    tax_of,
)
from campaign.texts.characters import describe_forbidden
from campaign.texts.dates import format_moment
from campaign.texts.journal_words import purpose_label, tax_label
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_journal_accounts", __name__, url_prefix="/staff/money/accounts")

FIELDS = {"code": LONGEST_CODE, "name_en": LONGEST_NAME, "name_fr": LONGEST_NAME, "tax_code": LONGEST_TAX_CODE}
HISTORY_SHOWN = 50

Errors = dict[tuple[Purpose, str], str]


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The accounts, with a form for managers."""
    charity = campaign_or_404().charity
    return _page(charity, journal_accounts.accounts_of(charity), {})


def _page(charity: Charity, accounts: dict[Purpose, Account], errors: Errors, *, has_changed: bool = False) -> str:
    """The page with these accounts as they were typed; when somebody `has_changed` them, with what is stored beside it."""
    language, stored = current_language(), journal_accounts.accounts_of(charity)
    return render_template(
        "staff/journal_accounts.html",
        title=campaign_or_404().title(language),
        version=journal_accounts.version_of(charity),
        has_changed=has_changed,
        may_change=has_role("manager"),
        accounts=[
            {
                "purpose": purpose.value,
                "label": purpose_label(purpose, language),
                "tax": tax_label(tax_of(purpose), language),
                "fields": [_field(account, stored[purpose], name, errors, has_changed=has_changed) for name in FIELDS],
            }
            for purpose, account in accounts.items()
        ],
        history=[_history_row(charity, row) for row in journal_accounts.history_of(charity, limit=HISTORY_SHOWN)],
    )


def _field(account: Account, stored: Account, name: str, errors: Errors, *, has_changed: bool) -> dict[str, Any]:
    labels = {
        "code": gettext("Code"),
        "name_en": gettext("Name in English"),
        "name_fr": gettext("Name in French"),
        "tax_code": gettext("Tax code"),
    }
    value, now = getattr(account, name), getattr(stored, name)
    return {
        "name": name,
        "label": labels[name],
        "longest": FIELDS[name],
        "value": value,
        "stored": now if has_changed and now != value else "",
        "error": errors.get((account.purpose, name), ""),
        "is_required": name != "tax_code",
    }


def _history_row(charity: Charity, row: JournalAccount) -> dict[str, str]:
    account, language = row.account, current_language()
    return {
        "at": format_moment(charity.local(row.set_at), language),
        "by": row.set_by,
        "purpose": purpose_label(account.purpose, language),
        "account": f"{account.code} {account.name(language)}" + (f" ({account.tax_code})" if account.tax_code else ""),
    }


@bp.post("")
@access("manager", fresh=True)
def change() -> ResponseReturnValue:
    """Store the accounts that were changed."""
    charity, language = campaign_or_404().charity, current_language()
    accounts = {purpose: _typed(purpose) for purpose in Purpose}
    errors = {(purpose, field): _error_text(error) for purpose, field, error in account_errors(accounts.values())}
    for account in accounts.values():
        for name in FIELDS:
            if character := typed_text.first_forbidden(getattr(account, name)):
                errors[account.purpose, name] = describe_forbidden(character, language)
    if errors:
        return refused(_page(charity, accounts, errors))
    seen = request.form.get("version", -1, type=int)
    try:
        changed = journal_account_actions.change_accounts(charity, accounts, seen=seen, actor=current_user.email)
    except AccountsChanged:
        return refused(_page(charity, accounts, {}, has_changed=True))
    flash(gettext("The accounts are saved. The next journal has them.") if changed else gettext("Nothing was changed."))
    return redirect(url_for("staff_journal_accounts.page"), 303)


def _typed(purpose: Purpose) -> Account:
    values = {name: " ".join(typed_text.clean(request.form.get(f"{purpose}-{name}")).split()) for name in FIELDS}
    return Account(purpose=purpose, **values)


def _error_text(error: AccountError) -> str:
    return {
        AccountError.CODE: gettext(
            "Please write the code of the account: up to %(most)s digits, letters, points or dashes.", most=LONGEST_CODE
        ),
        AccountError.NAME: gettext(
            "Please write the name as in your chart of accounts, of at most %(most)s characters.", most=LONGEST_NAME
        ),
        AccountError.TAX_CODE: gettext("This is too long. Please write at most %(longest)s characters.", longest=LONGEST_TAX_CODE),
        AccountError.SAME_CODE: gettext("Another account above has this code and other names. One account has one name."),
    }[error]
