"""Starts a donation with the match that the donor was shown, and redirects to Stripe Checkout."""

from datetime import UTC, datetime

import structlog
from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext
from sqlalchemy.orm.attributes import set_committed_value

from campaign.campaigns.campaigns import Campaign
from campaign.donations import declarations, shared_messages, wall_entries
from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable
from campaign.edges.stripe.payments import CheckoutLine, CheckoutRequest
from campaign.edges.stripe.subscriptions import Part
from campaign.payments import checkouts
from campaign.payments.checkouts import CheckoutContext, LessMatchAvailable, OpenedCheckout
from campaign.recurring import recurring_gifts
from campaign.recurring.recurring_gifts import MONTHLY
from campaign.rules import money
from campaign.rules.allocation import Limit
from campaign.web.networks import client_key
from campaign.web.public import batching, donor_access, human_check
from campaign.web.public.campaigns import campaign_page
from campaign.web.public.donation_form import DonationForm, attempts, new_attempt
from campaign.web.public.page_notice import Notice
from campaign.web.public.posted_fields import email_and_client_key, email_key, posted_fields
from campaign.web.public.quotes import Promise
from campaign.web.security import (
    DONATIONS_OVERALL,
    DONATIONS_PER_CLIENT,
    DONATIONS_PER_EMAIL,
    DONATIONS_PER_EMAIL_AND_CLIENT,
    access,
    allow_redirect_to,
    csrf,
    limiter,
)

bp = Blueprint("donate", __name__)
bp.record(lambda state: batching.init_app(state.app))
log = structlog.get_logger()

RETRY_AFTER_SECONDS = "20"
# Of the request: that it has begun a donation.
HAS_BEGUN = "campaign.has_begun"
# Redirects, and failures to reach Stripe, count against the rate limit of a client; a form that is shown again does not.
COUNTED_STATUSES = {303, 503}


@bp.post("/<any(en,fr):language>/<slug>/donations")
@access("public")
@csrf.exempt  # The signed attempt shows that the form came from us, also from a browser without cookies.
@limiter.limit(DONATIONS_PER_CLIENT, deduct_when=lambda response: response.status_code in COUNTED_STATUSES)
@limiter.limit(DONATIONS_PER_EMAIL, key_func=email_key, deduct_when=lambda _: HAS_BEGUN in request.environ)
@limiter.limit(DONATIONS_PER_EMAIL_AND_CLIENT, key_func=email_and_client_key, deduct_when=lambda _: HAS_BEGUN in request.environ)
@limiter.limit(DONATIONS_OVERALL, key_func=lambda: "all")
def begin(language: str, slug: str) -> ResponseReturnValue:
    """Hold the match and redirect the donor to Stripe, or show the form again with its errors."""
    campaign = batching.load_campaign(slug)
    if campaign is None or not campaign.is_public:
        abort(404)
    form = DonationForm(campaign, language, formdata=posted_fields())
    if not campaign.takes_gifts:
        return campaign_page(campaign, form, attempt=new_attempt()), 409
    started = _start(campaign, form)
    return _redirect_to_payment(campaign, form, started) if isinstance(started, Donation) else started


def _start(campaign: Campaign, form: DonationForm) -> Donation | ResponseReturnValue:
    """The donation, committed with its match held; or the form again."""
    is_valid = form.validate()
    attempt = attempts().read(form.attempt.data)
    if not is_valid or attempt is None:
        return _form_again(campaign, form, attempt, has_errors=not is_valid)
    details = form.details()
    if not form.second_monthly.data and recurring_gifts.has_identical(campaign.id, details):
        form.second_monthly.data = True
        return campaign_page(campaign, form, attempt=form.attempt.data, notice=_second_monthly_notice(form)), 409
    if refused := human_check.check(campaign, form, attempt):
        return campaign_page(campaign, form, attempt=form.attempt.data, notice=refused.notice), refused.status, refused.headers
    context = CheckoutContext(
        attempt=attempt,
        expected_match_cents=form.expected_match_cents(),
        livemode=services().settings.stripe_livemode,
        now=datetime.now(UTC),
        client_key=client_key(),
        declaration=form.declaration(),
        shares_message=bool(form.share_message.data),
        wall=form.wall_consent(),
    )
    started = batching.start_checkout(campaign, details, context)
    if isinstance(started, LessMatchAvailable):
        promise = Promise.of(started.quote)
        return campaign_page(campaign, form, attempt=form.attempt.data, notice=_less_match_notice(started), promise=promise), 409
    if started:
        request.environ[HAS_BEGUN] = True
    donation = started or _resume_donation(context)
    if donation.campaign_id != campaign.id or _differs(donation, details) or _agrees_otherwise(donation, context):
        return campaign_page(campaign, form, attempt=new_attempt(), notice=_other_donation_notice(donation)), 409
    return donation


def _resume_donation(context: CheckoutContext) -> Donation:
    donation = checkouts.donation_by_attempt(context.attempt)
    checkouts.extend_checkout_deadline(donation, now=context.now)
    db.session.commit()
    return donation


def _form_again(campaign: Campaign, form: DonationForm, attempt: str | None, *, has_errors: bool) -> ResponseReturnValue:
    notice = None
    if not has_errors:
        notice = Notice(
            kind="problem",
            title=gettext("Please press the button again"),
            text=gettext("This page was open for a long time. Nothing has been charged, and nothing you entered is lost."),
        )
    return campaign_page(campaign, form, attempt=form.attempt.data if attempt else new_attempt(), notice=notice), 422


def _second_monthly_notice(form: DonationForm) -> Notice:
    amount = money.format_money_short(form.amount_cents, form.language)
    return Notice(
        kind="change",
        title=gettext("You already give %(amount)s each month", amount=amount),
        text=gettext("Nothing has been charged. Press the button to begin a second monthly gift in addition to the first."),
        link=url_for("recurring_page.ask_for_link", language=form.language, campaign=form.campaign.slug),
        link_text=gettext("Change or stop the first one"),
    )


def _less_match_notice(reduced: LessMatchAvailable) -> Notice:
    """The new amount is in the quote beside the button, not here."""
    again = gettext("Nothing has been charged. Press the button to give, or change the amount.")
    quote = reduced.quote
    if quote.later_cents and not reduced.was_promised:
        title = (
            gettext("Part of your match will be added once you pay")
            if reduced.held_cents
            else gettext("Your match will be added once you pay")
        )
        return Notice(kind="change", title=title, text=again)
    if quote.later_cents:
        return Notice(kind="change", title=gettext("We can hold less of your match than you were shown"), text=again)
    title = gettext("Less matching is available than you were shown") if quote.held_cents else gettext("Your gift cannot be matched now")
    reason = _why_less(quote.limit)
    return Notice(kind="change", title=title, text=f"{reason} {again}".strip())


def _why_less(limit: Limit | None) -> str:
    """Why less is matched than the donor was shown. The quote beside the button names the limits of the fund."""
    reasons = {
        Limit.USED_UP: gettext("Others gave while you were filling in the form."),
        Limit.EARLIER_GIFTS: gettext("Matching that becomes available goes to earlier gifts first."),
        Limit.PAUSED: gettext("The matching was paused while you were filling in the form."),
        Limit.CLOSED: gettext("The matching ended while you were filling in the form."),
        Limit.NOT_OPEN_YET: gettext("The matching has not begun yet."),
    }
    return str(reasons.get(limit, "")) if limit else ""


def _differs(donation: Donation, details: DonationDetails) -> bool:
    return any(getattr(donation, name) != value for name, value in vars(details).items() if name != "news_consent")


def _agrees_otherwise(donation: Donation, context: CheckoutContext) -> bool:
    """Whether the form was changed in what it declares about the organization, or who may see what, since it began a donation that is still open."""
    if not donation.is_open:
        return False
    if donation.organization and declarations.is_declared(donation) != bool(context.declaration):
        return True
    if wall_entries.consent_of(donation) != context.wall:
        return True
    return bool(donation.message) and (shared_messages.find_of(donation) is not None) != context.shares_message


def _other_donation_notice(donation: Donation) -> Notice:
    """The page of the first gift is for the browser that began it: somebody else may have seen the form's attempt."""
    amount = money.format_money_short(donation.amount_cents, donation.language)
    is_open, is_own = donation.is_open, donor_access.has_begun(donation)
    return Notice(
        kind="change",
        title=gettext("A gift of %(amount)s is already under way", amount=amount)
        if is_open
        else gettext("This form was already used for a gift of %(amount)s", amount=amount),
        text=gettext(
            "This form began that gift, and you have changed it since. Press the button to begin a new one, or go back to the first."
        )
        if is_open
        else gettext("Press the button to give again with these details, or see what became of that gift."),
        link=url_for("donation_page.page", language=donation.language, token=donation.token) if is_own else "",
        link_text=gettext("Go to the first gift"),
    )


def _redirect_to_payment(campaign: Campaign, form: DonationForm, donation: Donation) -> ResponseReturnValue:
    """303 to Stripe; to the donation page when there is nothing to pay; the form again when Stripe refuses or is unavailable."""
    donor_access.remember_begun(donation)
    if not donation.is_open:
        return redirect(url_for("donation_page.page", language=donation.language, token=donation.token), 303)
    if donation.checkout_url is None:
        try:
            _open_checkout(campaign, donation)
        except StripeRefused as error:
            log.error("checkout.refused", donation=donation.public_id, error=str(error), code=error.code, parameter=error.parameter)
            return campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_refused(campaign, error)), 422
        except StripeUnavailable as error:
            log.error("checkout.not_opened", donation=donation.public_id, error=str(error))
            if isinstance(error, StripeKeyRefused) and error.is_permission_missing:  # An unknown key is reported by each poll.
                batching.record_key_refused(error)
            page = campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_unavailable(campaign))
            return page, 503, {"Retry-After": RETRY_AFTER_SECONDS}
    if donation.checkout_url is None:
        return redirect(url_for("donation_page.page", language=donation.language, token=donation.token), 303)
    allow_redirect_to(donation.checkout_url)
    return redirect(donation.checkout_url, 303)


def _open_checkout(campaign: Campaign, donation: Donation) -> None:
    """Open the checkout at Stripe without holding a lock.

    A concurrent request of the same attempt may have opened it: then its checkout is used. Raises StripeRefused and StripeUnavailable.
    """
    with force_locale(donation.language):
        checkout_request = _checkout_request(campaign, donation)
    db.session.commit()
    try:
        opened = services().stripe_payments.open_checkout(checkout_request)
    except StripeUnavailable:
        db.session.refresh(donation)
        if donation.checkout_url is None:
            raise
        return
    batching.record_opened(OpenedCheckout(donation_id=donation.id, session_id=opened.id, url=opened.url))
    set_committed_value(donation, "checkout_id", opened.id)
    set_committed_value(donation, "checkout_url", opened.url)


def _stripe_refused(campaign: Campaign, error: StripeRefused) -> Notice:
    """Only a refused e-mail address is something that the donor can change."""
    charged = gettext("Nothing has been charged, and nothing you entered is lost.")
    if error.parameter == "customer_email":
        advice = gettext(
            "Stripe did not accept your email address. Please check it; if it is right, write to %(email)s.", email=campaign.charity.email
        )
    else:
        advice = gettext(
            "This is not because of anything you entered. Please write to %(email)s, and we will look into it.",
            email=campaign.charity.email,
        )
    return Notice(kind="problem", title=gettext("We could not open the payment page"), text=f"{charged} {advice}")


def _stripe_unavailable(campaign: Campaign) -> Notice:
    return Notice(
        kind="unavailable",
        title=gettext("The payment service cannot be reached right now"),
        text=gettext(
            "Nothing has been charged, and nothing you entered is lost. Please press the button again in a minute. If the problem continues, write to %(email)s.",
            email=campaign.charity.email,
        ),
    )


def _checkout_request(campaign: Campaign, donation: Donation) -> CheckoutRequest:
    title = campaign.title(donation.language)
    lines = [CheckoutLine(name=gettext("Gift – %(campaign)s", campaign=title), cents=donation.amount_cents, part=Part.GIFT)]
    if donation.covered_fee_cents:
        lines.append(CheckoutLine(name=gettext("Processing fee, covered by you"), cents=donation.covered_fee_cents, part=Part.COVERED_FEE))
    assert donation.checkout_expires_at is not None
    return CheckoutRequest(
        donation=donation.public_id,
        attempt_key=f"{donation.attempt}:{donation.checkout_tries}",
        currency=donation.currency,
        lines=lines,
        email=donation.email,
        language=donation.language,
        return_url=services().links.donation_page(donation.language, donation.token),
        cancel_url=services().links.cancelled_checkout(donation.language, donation.token),
        description=title,
        expires_at=donation.checkout_expires_at,
        takes_bank_debits=campaign.takes_bank_debits and donation.currency == "CAD",
        is_monthly=donation.frequency == MONTHLY,
    )
