"""Gifts by cheque, in cash and by transfer, for staff: a form made for a stack of cheques, and the gifts that were recorded last."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations import similar_donors
from campaign.donations.donations import PERSON_FIELDS, Donation
from campaign.matching.holds import match_of
from campaign.payments import offline_gifts
from campaign.receipts import offline_gift_actions, posted_receipts
from campaign.receipts.offline_gift_actions import DonorUnclear, GiftDoubtful
from campaign.reporting.offline_gift_list import ListedGift, latest_gifts
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineQuestion
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionError, ActionRefused
from campaign.texts.dates import format_day
from campaign.texts.offline_questions import describe_question
from campaign.web.errors import campaign_or_404
from campaign.web.labels import offline_method_labels, offline_reversal_labels
from campaign.web.languages import current_language
from campaign.web.public.donation_form import new_attempt
from campaign.web.public.regions import provinces
from campaign.web.security import access, csrf, has_role
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.offline_gift_form import NEW_DONOR, STACK_FIELDS, OfflineGiftForm

bp = Blueprint("staff_offline_gifts", __name__, url_prefix="/staff/offline-gifts")

GIFTS_SHOWN = 25


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The form with what the gift before had in common, and the latest gifts. `?before=` is where an earlier page of them begins."""
    stack = {name: request.args[name][:20] for name in STACK_FIELDS if request.args.get(name)}
    return _page(_empty_form(stack))


def _empty_form(stack: dict[str, str]) -> OfflineGiftForm:
    form = OfflineGiftForm(current_language(), charity=campaign_or_404().charity, formdata=None)
    form.received_on.data, form.donor_language.data, form.attempt.data = form.today.isoformat(), current_language(), new_attempt()
    for name, value in stack.items():
        form[name].data = value
    return form


def _page(form: OfflineGiftForm, *, questions: Mapping[str, str] | None = None, similar: Sequence[Donation] = ()) -> str:
    """`questions` are asked about the gift, and `similar` are the latest gifts of donors of whom one may be its donor."""
    campaign = campaign_or_404()
    before = request.args.get("before", type=int)
    gifts = latest_gifts(campaign.charity, before=before, limit=GIFTS_SHOWN + 1)
    shown = gifts[:GIFTS_SHOWN]
    return render_template(
        "staff/offline_gifts.html",
        title=campaign.title(current_language()),
        form=form,
        errors=form.all_errors(),
        provinces=provinces(current_language()),
        gifts=[gift_row(gift) for gift in shown],
        next_before=shown[-1].donation.id if len(gifts) > GIFTS_SHOWN else None,
        is_first=before is None,
        may_record=has_role("clerk"),
        may_export=has_role("manager"),
        to_post=posted_receipts.count_to_post(campaign.charity),
        questions=questions or {},
        answered=[value for value in request.form.getlist("answered") if value in set(OfflineQuestion)],
        similar=donor_rows(similar) if similar else [],
    )


def gift_row(gift: ListedGift) -> dict[str, Any]:
    """An offline gift, formatted for display."""
    donation, language = gift.donation, current_language()
    assert donation.received_at is not None
    return {
        "public_id": donation.public_id,
        "id": donation.id,
        "amount": format_money(donation.amount_cents, language),
        "method": offline_method_labels()[gift.method],
        "reference": gift.reference,
        "received_on": donation.campaign.charity.local(donation.received_at).date().isoformat(),
        "name": donation.full_name or gettext("no name"),
        "match": format_money(gift.matched_cents, language) if donation.is_matchable else gettext("not to be matched"),
        "deposit": gift.deposit.number if gift.deposit else None,
        "serial": gift.serial,
        "state": gift.state.value,
        "left": format_money(donation.net_cents, language) if donation.net_cents != donation.amount_cents else "",
        "fell_through": offline_reversal_labels()[gift.fell_through] if gift.fell_through else "",
    }


@bp.post("")
@access("clerk", fresh=True)
@csrf.exempt  # The form checks its own token: a stale one is an error in the form, and nothing typed is lost.
def record() -> ResponseReturnValue:
    """Record a gift, and go on with the next one of the stack. What is asked about it comes back with the form."""
    campaign, language = campaign_or_404(), current_language()
    form = OfflineGiftForm(language, charity=campaign.charity)
    if not form.validate():
        if form.attempt.errors:
            form.attempt.data = new_attempt()
        return _page(form), 422
    try:
        livemode = not current_app.config["IS_SANDBOX"]
        donation = offline_gift_actions.record(campaign, form.typed_gift(), livemode=livemode, actor=current_user.email)
    except GiftDoubtful as error:
        day = format_day(form.day, language)
        asked = {question.value: describe_question(question, day, language) for question in error.questions}
        return _page(form, questions=asked), 422
    except DonorUnclear as error:
        form.donor.data = ""
        return _page(form, similar=error.latest), 422
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, language), "error")
        if error.refusal is ActionError.FORM_IS_USED:
            form.attempt.data = new_attempt()
        return _page(form), 422
    flash(_recorded(donation))
    return redirect(url_for("staff_offline_gifts.page", **{name: form[name].data for name in STACK_FIELDS}), 303)


def _recorded(donation: Donation) -> str:
    """What was recorded, and its match."""
    language, match = current_language(), match_of(donation.id).matched_cents
    sums = {"amount": format_money(donation.amount_cents, language), "match": format_money(match, language)}
    name = donation.full_name or gettext("no name")
    if not donation.is_matchable:
        return str(gettext("Recorded: %(amount)s (%(name)s), not to be matched.", name=name, **sums))
    return str(gettext("Recorded: %(amount)s (%(name)s), matched with %(match)s.", name=name, **sums))


def donor_rows(latest: Sequence[Donation]) -> list[dict[str, str]]:
    """Donors with the same name and postal code, and a new one, for the question which one it is."""
    emails = similar_donors.emails_of([gift.donor_id for gift in latest])
    rows = [
        {"id": str(gift.donor_id), "name": gift.full_name, "address": ", ".join(gift.address_lines), "email": emails[gift.donor_id]}
        for gift in latest
    ]
    return [*rows, {"id": NEW_DONOR, "name": "", "address": "", "email": ""}]


@bp.post("/donor-searches")
@access("clerk")
def search_donors() -> Response:
    """Donors with the posted email address, or the posted name and postal code, as JSON: what the form offers to fill in. Posted, as URLs are logged."""
    try:
        at_email = similar_donors.latest_gift_at(parse_email(request.form.get("email", "")[:254]))
    except InvalidEmail:
        at_email = None
    last_name, organization, code = (request.form.get(name, "")[:120] for name in ("last_name", "organization", "postal_code"))
    found = (
        [at_email]
        if at_email
        else similar_donors.donors_like(last_name=last_name, organization=organization, postal_code=code.strip().upper())
    )
    emails = similar_donors.emails_of([gift.donor_id for gift in found])
    donors = [
        {
            "id": gift.donor_id,
            "label": ", ".join([gift.full_name, *gift.address_lines]),
            "email": emails[gift.donor_id],
            "donor_language": gift.language,
            **{name: getattr(gift, name) for name in PERSON_FIELDS},
        }
        for gift in found
    ]
    return jsonify(donors)


@bp.post("/<public_id>/undo")
@access("clerk", fresh=True)
def undo(public_id: str) -> ResponseReturnValue:
    """Undo a gift that was recorded wrongly, while it has no receipt and was not taken to the bank."""
    donation = offline_gift_or_404(public_id)
    try:
        offline_gift_actions.undo(donation, actor=current_user.email)
        amount = format_money(donation.amount_cents, current_language())
        flash(gettext("Undone: %(amount)s (%(name)s).", amount=amount, name=donation.full_name or gettext("no name")))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_offline_gifts.page"), 303)


def offline_gift_or_404(public_id: str) -> Donation:
    """The donation, which was paid without Stripe."""
    donation = donation_or_404(public_id)
    if offline_gifts.find(donation.id) is None:
        abort(404)
    return donation
