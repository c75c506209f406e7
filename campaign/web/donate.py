"""Beginning a donation, with the match that the donor was shown, and going to pay it."""

import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext
from sqlalchemy.orm.attributes import set_committed_value
from werkzeug.datastructures import MultiDict

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import CheckoutLine, CheckoutOrder
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving import checkouts
from campaign.giving.campaigns import Campaign
from campaign.giving.checkouts import Beginning, LessMatch, Opened
from campaign.giving.donations import Donation, Gift
from campaign.giving.monthly import MONTHLY
from campaign.rules import money
from campaign.rules.matching import Limit
from campaign.web import turns
from campaign.web.campaigns import Notice, Promise, attempts, campaign_page, new_attempt
from campaign.web.forms import DonationForm
from campaign.web.security import DONATIONS_IN_ALL, DONATIONS_PER_CLIENT, access, csrf, limiter
from campaign.work import composing

bp = Blueprint("donate", __name__)
bp.record(lambda state: turns.share(state.app))
log = structlog.get_logger()

RETRY_AFTER_SECONDS = "20"
FIELDS = 100
# What counts against one address is asking Stripe; a form that comes back with an error costs nobody a card.
GONE_TO_STRIPE = {303, 503}


@bp.post("/<any(en,fr):language>/<slug>/donations")
@access("public")
@csrf.exempt  # The form checks its own token, so that a stale one is an error above the form and nothing typed is lost.
@limiter.limit(DONATIONS_PER_CLIENT, deduct_when=lambda answer: answer.status_code in GONE_TO_STRIPE)
@limiter.limit(DONATIONS_IN_ALL, key_func=lambda: "all")
def begin(language: str, slug: str) -> ResponseReturnValue:
    """Hold the match, then send the donor to Stripe; or show the form again with what is wrong."""
    campaign = turns.campaign_known(slug)
    if campaign is None:
        abort(404)
    form = DonationForm(campaign, language, formdata=_sent())
    begun = _begun(campaign, form)
    return _to_payment(campaign, form, begun) if isinstance(begun, Donation) else begun


def _begun(campaign: Campaign, form: DonationForm) -> Donation | ResponseReturnValue:
    """The donation with its match held, in the books; or the form again."""
    form_is_good = form.validate()
    attempt = attempts().read(form.attempt.data)
    if not form_is_good or attempt is None:
        return _form_again(campaign, form, attempt, has_errors=not form_is_good)
    gift = form.gift()
    how = Beginning(
        attempt=attempt,
        expected_match_cents=form.expected_match_cents(),
        livemode=outside().settings.stripe_livemode,
        now=datetime.now(UTC),
        client_key=_client_key(),
    )
    begun = turns.begin(campaign, gift, how)
    if isinstance(begun, LessMatch):
        promise = Promise(match_cents=begun.held_cents, limit=begun.limit)
        return campaign_page(campaign, form, attempt=form.attempt.data, notice=_less(begun), promise=promise), 409
    donation = begun or _begun_before(how)
    if _is_another_gift(donation, gift):
        return campaign_page(campaign, form, attempt=new_attempt(), notice=_another(donation)), 409
    return donation


def _begun_before(how: Beginning) -> Donation:
    donation = checkouts.begun_before(how.attempt)
    checkouts.plan_checkout(donation, now=how.now)
    db.session.commit()
    return donation


def _sent() -> MultiDict[str, str]:
    """The fields as they came. Bytes that are not UTF-8 become the sign for that, which the form refuses; Werkzeug would make other text of them."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return request.form
    try:
        pairs = parse_qsl(request.get_data().decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=FIELDS)
    except ValueError:
        abort(413)
    return MultiDict(pairs)


def _form_again(campaign: Campaign, form: DonationForm, attempt: str | None, *, has_errors: bool) -> ResponseReturnValue:
    notice = None
    if not has_errors:
        notice = Notice(
            kind="problem",
            title=gettext("Please press the button once more"),
            text=gettext("This page was open for a long time. Nothing has been charged and nothing you wrote is lost."),
        )
    return campaign_page(campaign, form, attempt=form.attempt.data if attempt else new_attempt(), notice=notice), 422


def _client_key() -> str:
    """Tells checkouts from one network address apart from others, without keeping the address."""
    secret = current_app.config["SECRET_KEY"].encode()
    return hmac.new(secret, f"client:{request.remote_addr}".encode(), "sha256").hexdigest()[:32]


def _less(less: LessMatch) -> Notice:
    """The new sum itself stands in the quote beside the button, made by the wording module."""
    if less.limit in {Limit.PER_DONOR, Limit.HELD_ELSEWHERE}:
        text = gettext("Nothing has been charged. Press the button to give all the same, or change the amount.")
    else:
        text = gettext(
            "Others gave while you were writing. Nothing has been charged. Press the button to give all the same, or change the amount."
        )
    return Notice(kind="change", title=gettext("Less matching is available than you were shown"), text=text)


def _is_another_gift(donation: Donation, gift: Gift) -> bool:
    return any(getattr(donation, name) != value for name, value in vars(gift).items() if name != "news_consent")


def _another(donation: Donation) -> Notice:
    return Notice(
        kind="change",
        title=gettext("A gift of %(amount)s is already under way", amount=money.written_short(donation.amount_cents, donation.language)),
        text=gettext(
            "This form began that gift, and you have changed it since. Press the button to begin a new one, or go back to the first."
        ),
        link=url_for("own_page.page", language=donation.language, token=donation.token),
        link_text=gettext("Go to the first gift"),
    )


def _to_payment(campaign: Campaign, form: DonationForm, donation: Donation) -> ResponseReturnValue:
    """303 to Stripe; to the donor's own page when there is nothing left to pay; the form again when Stripe cannot be reached."""
    if not donation.is_open:
        return redirect(url_for("own_page.page", language=donation.language, token=donation.token), 303)
    if donation.checkout_url is None:
        try:
            _open_checkout(campaign, donation)
        except StripeRefused as error:
            log.error("checkout.refused", donation=donation.public_id, error=type(error).__name__)
            return campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_refused(campaign)), 422
        except StripeAway as error:
            log.error("checkout.not_opened", donation=donation.public_id, error=str(error)[:80])
            page = campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_away(campaign))
            return page, 503, {"Retry-After": RETRY_AFTER_SECONDS}
    if donation.checkout_url is None:
        return redirect(url_for("own_page.page", language=donation.language, token=donation.token), 303)
    return redirect(donation.checkout_url, 303)


def _open_checkout(campaign: Campaign, donation: Donation) -> None:
    """Ask Stripe with nothing locked; another press of the same attempt may have been quicker, and then its checkout is ours."""
    with force_locale(donation.language):
        order = _order(campaign, donation)
    db.session.commit()
    try:
        opened = outside().stripe.open_checkout(order)
    except StripeAway:
        db.session.refresh(donation)
        if donation.checkout_url is None:
            raise
        return
    turns.note_opened(Opened(donation_id=donation.id, session_id=opened.id, url=opened.url))
    set_committed_value(donation, "checkout_id", opened.id)
    set_committed_value(donation, "checkout_url", opened.url)


def _stripe_refused(campaign: Campaign) -> Notice:
    return Notice(
        kind="problem",
        title=gettext("The payment could not be opened"),
        text=gettext(
            "Nothing has been charged and nothing you wrote is lost. Please check your e-mail address; if it is right, write to %(email)s.",
            email=campaign.charity.email,
        ),
    )


def _stripe_away(campaign: Campaign) -> Notice:
    return Notice(
        kind="away",
        title=gettext("The payment service cannot be reached right now"),
        text=gettext(
            "Nothing has been charged and nothing you wrote is lost. Please press the button again in a minute. "
            "If it goes on, write to %(email)s.",
            email=campaign.charity.email,
        ),
    )


def _order(campaign: Campaign, donation: Donation) -> CheckoutOrder:
    title = campaign.title(donation.language)
    lines = [CheckoutLine(name=gettext("Gift – %(campaign)s", campaign=title), cents=donation.amount_cents)]
    if donation.covered_fee_cents:
        lines.append(CheckoutLine(name=gettext("Processing fee, covered by you"), cents=donation.covered_fee_cents))
    assert donation.checkout_expires_at is not None
    return CheckoutOrder(
        donation=donation.public_id,
        attempt_key=f"{donation.attempt}:{donation.checkout_tries}",
        currency=donation.currency,
        lines=lines,
        email=donation.email,
        language=donation.language,
        return_url=composing.page_url(donation),
        cancel_url=f"{composing.page_url(donation)}?return=cancel",
        description=title,
        expires_at=donation.checkout_expires_at,
        takes_bank_debits=campaign.takes_bank_debits and donation.currency == "CAD",
        is_monthly=donation.frequency == MONTHLY,
    )
