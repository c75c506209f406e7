"""Cards about a gift in honour or in memory of somebody: one to print, and up to three by email, each on a day that the donor chooses.

A card by email goes to somebody else, so it takes the link that was mailed to the donor, and the donor sees it before it is scheduled.
"""

from datetime import UTC, date, datetime

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from campaign.donations.donations import Donation, donation_by_token
from campaign.mail import tribute_card_actions
from campaign.mail.tribute_cards import build_card, may_be_mailed, may_have_cards
from campaign.outbox import tribute_cards
from campaign.outbox.tribute_cards import LONGEST_MESSAGE
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.labels import tribute_sentence
from campaign.web.languages import LANGUAGES
from campaign.web.public.card_form import CARD_FIELDS, MailedCardForm, PrintedCardForm
from campaign.web.public.card_list import cards_of
from campaign.web.public.card_pdf import draw_card
from campaign.web.public.donor_access import may_ask, may_change, require_access
from campaign.web.public.frame import frame_of
from campaign.web.security import DRAWINGS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("card_page", __name__)

CARDS_PER_CLIENT = "60 per hour"
EDIT, SEND = "edit", "send"


@bp.get("/<any(en,fr):language>/donations/<token>/cards")
@access("public")
def page(language: str, token: str) -> ResponseReturnValue:
    """The forms, and the cards that the donor has scheduled. Of a gift that has none, and can have none, the page of the gift."""
    donation = _donation_or_404(token)
    if not may_have_cards(donation) and not (may_change(donation) and tribute_cards.list_cards(donation)):
        return redirect(url_for("donation_page.page", language=language, token=token), 303)
    return _page(donation, language)


@bp.get("/<any(en,fr):language>/donations/<token>/card.pdf")
@access("public")
@limiter.limit(DRAWINGS_PER_CLIENT)
def pdf(language: str, token: str) -> ResponseReturnValue:
    """The card to print. `from_name` is the donor's first name unless the address says otherwise."""
    donation = _donation_or_404(token)
    if not may_have_cards(donation):
        abort(404)
    typed = MultiDict(request.args)
    typed.setdefault("from_name", _own_name(donation))
    form = PrintedCardForm(formdata=typed)
    if not form.validate():
        return _page(donation, language, printed=form), 422
    document = draw_card(donation, language, from_name=form.from_name.data or "", message=form.message.data or "")
    response = Response(document, mimetype="application/pdf")
    response.headers["Cache-Control"] = "private, no-store"
    return name_file(response, file_name(Document.CARD, language=language, extension="pdf"), disposition="inline")


@bp.post("/<any(en,fr):language>/donations/<token>/cards")
@access("public")
@csrf.exempt  # The form checks its own token: a stale one is an error above the form, and nothing typed is lost.
@limiter.limit(CARDS_PER_CLIENT)
def schedule(language: str, token: str) -> ResponseReturnValue:
    """Show the card as it will be sent; schedule it once the donor has seen it."""
    donation = _donation_or_404(token)
    require_access(donation)
    if not may_be_mailed(donation):
        return redirect(url_for("donation_page.page", language=language, token=token), 303)
    form, step = MailedCardForm(today=_today(donation)), request.form.get("step", "")
    if step == EDIT:
        return _page(donation, language, mailed=form)
    if not form.validate():
        return _page(donation, language, mailed=form), 422
    assert form.day is not None
    if step != SEND:
        return _preview(donation, language, form)
    if tribute_card_actions.send_later(donation, form.card(), send_on=form.day):
        flash(
            gettext("The card will be sent today, within a few hours. You can cancel it until then.")
            if form.day == _today(donation)
            else gettext("The card will be sent on %(day)s. You can cancel it until then.", day=format_day(form.day, language))
        )
    else:
        flash(gettext("This gift has as many cards as it can have."), "error")
    return redirect(url_for("card_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/donations/<token>/cards/<int:number>/cancellations")
@access("public")
@limiter.limit(CARDS_PER_CLIENT)
def cancel(language: str, token: str, number: int) -> ResponseReturnValue:
    """Cancel a card of this gift that is not on its way."""
    donation = _donation_or_404(token)
    require_access(donation)
    card = next((card for card in tribute_cards.list_cards(donation) if card.id == number), None)
    if card is None:
        abort(404)
    if tribute_card_actions.cancel(card, donation):
        flash(gettext("The card is cancelled. Nothing will be sent, and what you typed is erased."))
    else:
        flash(gettext("It is too late to cancel this card."), "error")
    return redirect(url_for("card_page.page", language=language, token=token), 303)


def _donation_or_404(token: str) -> Donation:
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    return donation


def _today(donation: Donation) -> date:
    return donation.campaign.charity.local(datetime.now(UTC)).date()


def _own_name(donation: Donation) -> str:
    """Whom the card is from unless the donor says otherwise: nobody, if they are not to be named in public."""
    return "" if donation.anonymous else donation.first_name or donation.full_name


def _page(donation: Donation, language: str, *, printed: PrintedCardForm | None = None, mailed: MailedCardForm | None = None) -> str:
    today, name = _today(donation), _own_name(donation)
    is_open, is_changeable = may_have_cards(donation), may_change(donation)
    typed = mailed or MailedCardForm(formdata=None, today=today, card_language=language, send_on=today.isoformat(), from_name=name)
    forms = (printed or PrintedCardForm(formdata=None, from_name=name), typed)
    return render_template(
        "donate/cards.html",
        **_frame(donation, language),
        printed=forms[0],
        form=typed,
        errors=[error for form in forms for error in form.all_errors()],
        is_open=is_open,
        may_change=is_changeable,
        may_ask=may_ask(donation),
        is_full=tribute_cards.is_full(donation),
        may_be_mailed=may_be_mailed(donation),
        first_on=today.isoformat(),
        last_on=typed.last_on.isoformat(),
        longest=LONGEST_MESSAGE,
        languages=LANGUAGES,
        cards=cards_of(donation, language) if is_changeable else [],
    )


def _preview(donation: Donation, language: str, form: MailedCardForm) -> str:
    email = build_card(donation, form.card())
    assert form.day is not None
    fields = {name: form[name].data or "" for name in ("email_checked", *CARD_FIELDS)}
    return render_template(
        "donate/card_preview.html",
        **_frame(donation, language),
        form=form,
        fields=fields,
        email=email,
        day=format_day(form.day, language),
        to=f"{email.recipient_name} <{email.recipient}>",
    )


def _frame(donation: Donation, language: str) -> dict[str, object]:
    own = {"donation": donation, "dedication": tribute_sentence(donation), "token": donation.token}
    return {**frame_of(donation.campaign, language), **own}
