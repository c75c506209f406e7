"""The forms in which managers add contributors to a draft, change their parts and remove them. What is refused is shown again as it was typed."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges import pdf
from campaign.edges.db import db
from campaign.funders import contributor_actions
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.matching.pledge_requests import MAX_CENTS
from campaign.rules import money
from campaign.rules.money import format_money, format_money_short
from campaign.texts.action_errors import ActionError, ActionRefused, describe_error
from campaign.texts.characters import describe_unprintable
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.contributor_rows import LONGEST_NAME, NEW, ContributorForm, part_field
from campaign.web.staff.fund import page_of
from campaign.web.staff.payment_form import find_fund_or_404
from campaign.web.staff.typed_fields import read_line, refused

bp = Blueprint("staff_fund_contributors", __name__, url_prefix="/staff/funds/<slug>/contributors")

FIELDS = ("contributor", "contributor_en", "contributor_fr", "part")


@bp.post("")
@access("manager", fresh=True)
def add(slug: str) -> ResponseReturnValue:
    """Add a contributor to a draft, who may be a new funder."""
    fund, form, cents = find_fund_or_404(slug), *_read_new()
    if form.errors:
        return refused(page_of(fund, form))
    try:
        contributor_actions.add(fund, lambda: _get_or_create_funder(form), cents, actor=current_user.email)
    except ActionRefused as error:
        name = "contributor" if error.refusal is ActionError.CONTRIBUTOR_IS_KNOWN else "part"
        return _refused(slug, ContributorForm(typed=form.typed), name, error)
    flash(gettext("The contributor is added."))
    return _back(slug)


@bp.post("/<int:contributor_id>")
@access("manager", fresh=True)
def change(slug: str, contributor_id: int) -> ResponseReturnValue:
    """Change the part of a contributor to a draft."""
    fund, name = find_fund_or_404(slug), part_field(contributor_id)
    cents, error = _read_cents(name)
    form = ContributorForm(typed={name: _typed(name)}, errors={name: error} if error else {})
    if error:
        return refused(page_of(fund, form))
    try:
        has_changed = contributor_actions.change_part(fund, contributor_id, cents, actor=current_user.email)
    except ActionRefused as refusal:
        return _refused(slug, form, name, refusal)
    flash(gettext("Saved.") if has_changed else gettext("Nothing has changed."))
    return _back(slug)


@bp.post("/<int:contributor_id>/removals")
@access("manager", fresh=True)
def remove(slug: str, contributor_id: int) -> ResponseReturnValue:
    """Remove a contributor from a draft: the lead funder promises their part too."""
    try:
        contributor_actions.remove(find_fund_or_404(slug), contributor_id, actor=current_user.email)
    except ActionRefused as refusal:
        flash(describe_error(refusal.refusal, current_language()), "error")
    else:
        flash(gettext("The contributor is removed. The lead funder promises their part too."))
    return _back(slug)


def _back(slug: str) -> ResponseReturnValue:
    return redirect(url_for("staff_fund.page", slug=slug, _anchor="contributors"), 303)


def _refused(slug: str, form: ContributorForm, name: str, error: ActionRefused) -> ResponseReturnValue:
    """The page with what was typed, and the refusal at this field; for a fund or contributor that is no such any more, what is so now."""
    fund: Fund = find_fund_or_404(slug)
    message = describe_error(error.refusal, current_language(), cents=fund.pledged_cents)
    if error.refusal in {ActionError.FUND_IS_FROZEN, ActionError.CONTRIBUTOR_IS_REMOVED}:
        flash(message, "error")
        return _back(slug)
    return refused(page_of(fund, ContributorForm(typed=form.typed, errors={name: message})))


def _typed(name: str) -> str:
    return " ".join(request.form.get(name, "").split())[: LONGEST_NAME + 1]


def _read_new() -> tuple[ContributorForm, int]:
    """The posted form of a contributor, and the part in cents."""
    typed = {name: _typed(name) for name in FIELDS}
    chosen = typed["contributor"]
    errors = {} if chosen == NEW or _find_funder(chosen) else {"contributor": gettext("Please choose a funder.")}
    if chosen == NEW:
        for name in ("contributor_en", "contributor_fr"):
            typed[name], error = _read_name(name)
            errors |= {name: error} if error else {}
    cents, error = _read_cents("part")
    return ContributorForm(typed=typed, errors=errors | ({"part": error} if error else {})), cents


def _read_name(name: str) -> tuple[str, str]:
    wrong = gettext("Please write the name in both languages, in at most %(longest)s characters.", longest=LONGEST_NAME)
    line = read_line(name, longest=LONGEST_NAME, empty=wrong)
    characters = "" if line.error else pdf.first_unprintable(line.text)
    return line.text, describe_unprintable(characters, current_language()) if characters else line.error


def _read_cents(name: str) -> tuple[int, str]:
    """The posted amount in cents, and what is wrong with it."""
    language = current_language()
    try:
        cents = money.parse(_typed(name), language)
    except money.InvalidMoney:
        return 0, gettext("Please write an amount, for example %(example)s.", example=format_money(1_234_56, language))
    if not 0 < cents <= MAX_CENTS:
        most = format_money_short(MAX_CENTS, language)
        return 0, gettext("Please write an amount of more than zero, and %(most)s at most.", most=most)
    return cents, ""


def _find_funder(text: str) -> Funder | None:
    return db.session.get(Funder, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _get_or_create_funder(form: ContributorForm) -> Funder:
    funder = _find_funder(form.typed["contributor"])
    if funder is None:
        funder = Funder(name_en=form.typed["contributor_en"], name_fr=form.typed["contributor_fr"])
        db.session.add(funder)
        db.session.flush()
    return funder
