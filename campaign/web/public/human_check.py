"""What a checkout takes during card testing: a proof of work by the browser or, without scripts, a code that is mailed to the donor.

It is asked for before anything is held or Stripe is called, says why, and loses nothing that was typed. The same attempt again asks nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext, ngettext

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import checkout_codes
from campaign.outbox.checkout_codes import LIFETIME, CodeCheck
from campaign.payments import checkout_bounds, checkouts
from campaign.payments.checkout_bounds import Bound, Wait
from campaign.rules.proof_of_work import PROOF_BITS, is_proof
from campaign.web.networks import client_key
from campaign.web.public import batching
from campaign.web.public.donation_form import DonationForm
from campaign.web.public.page_notice import Notice
from campaign.web.security import limiter

# What the page's script sends while it has no proof: it computes one when it is asked.
FOLLOWS = "follows"
# How many times as many one network may begin if they are posted at the same time.
AT_ONCE = 2
MINUTE = 60
HOUR = 60 * MINUTE


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The form again, with what is still needed."""

    notice: Notice | None
    status: int = 422
    headers: dict[str, str] = field(default_factory=dict)


def page_values(form: DonationForm, attempt: str) -> dict[str, Any]:
    """What the form shows and its script needs: how many bits a proof takes, a proof that still counts, and whether a code is asked for."""
    return {
        "bits": proof_bits(),
        "proof": _known_proof(form, attempt),
        "resumes": form.resumes,
        "asks_code": bool(form.code_sent_to or form.code.data),
        "code_sent_to": form.code_sent_to or form.email.data,
    }


def proof_bits() -> int:
    """How many bits a proof takes now; 0 while none is asked for."""
    return PROOF_BITS if batching.is_card_testing() else 0


def _known_proof(form: DonationForm, attempt: str) -> str:
    """The proof that was sent, if it is one for this attempt: the browser need not compute another."""
    sent = form.proof.data or ""
    return sent if is_proof(attempt, sent, bits=PROOF_BITS) else ""


def check(campaign: Campaign, form: DonationForm, attempt: str) -> Refusal | None:
    """What the checkout of this valid form still takes; None when it may begin. Commits, so that no transaction is open while it waits for others."""
    is_asked = batching.is_card_testing() and not checkouts.has_begun(attempt)
    refused = _check_donor(campaign, form, attempt) if is_asked else None
    db.session.commit()
    return refused


def _check_donor(campaign: Campaign, form: DonationForm, attempt: str) -> Refusal | None:
    has_proof = bool(_known_proof(form, str(form.attempt.data)))
    if not has_proof:
        refused = _ask_script(form) if form.proof.data == FOLLOWS else _check_code(campaign, form, attempt)
        if refused:
            return refused
    most = checkout_bounds.PER_NETWORK_WITH_PROOF if has_proof else checkout_bounds.PER_NETWORK_WITH_CODE
    wait = checkout_bounds.wait_for(email=form.email.data, client_key=client_key(), most_of_network=most)
    if wait:
        return _too_many(wait, most)
    # Those that are posted at the same time do not see each other in the books: a counter bounds them, paid ones included.
    with limiter.limit(f"{AT_ONCE * most} per hour", key_func=lambda: f"card testing:{has_proof}:{client_key()}"):
        return None


def _ask_script(form: DonationForm) -> Refusal:
    """The page was opened before the guard began, or its script has not ended yet: it goes on by itself."""
    form.resumes = True
    title = gettext("Checking that you are a person. One moment…")
    return Refusal(notice=Notice(kind="change", title=title, text=f"{_why()} {_nothing_lost()}"))


def _why() -> str:
    return gettext("We are protecting this form from people who test stolen cards, so each gift takes one extra step right now.")


def _nothing_lost() -> str:
    return gettext("Nothing has been charged, and nothing you entered is lost.")


def _check_code(campaign: Campaign, form: DonationForm, attempt: str) -> Refusal | None:
    """None for the right code. Otherwise the form with its field, and a new code by mail unless one still counts."""
    email, typed = form.email.data, "".join((form.code.data or "").split())
    form.code_sent_to = email
    if not form.new_code.data:
        found = checkout_codes.check_code(typed, attempt=attempt, email=email) if typed else CodeCheck.UNKNOWN
        if found is CodeCheck.RIGHT:
            return None
        if found is CodeCheck.WRONG:
            return _show_error(form, gettext("This code is not right. Please compare it with our latest email."))
        if not typed and checkout_codes.has_open_code(attempt=attempt, email=email):
            return _show_error(form, gettext("Please enter the code that we emailed to you."))
        if found in {CodeCheck.EXPIRED, CodeCheck.USED_UP}:
            return _send_code(campaign, form, attempt, _why_ended(found))
    return _send_code(campaign, form, attempt, "")


def _show_error(form: DonationForm, error: str) -> Refusal:
    form.code.errors = (error,)
    return Refusal(notice=None)


def _why_ended(found: CodeCheck) -> str:
    if found is CodeCheck.EXPIRED:
        return gettext("The code is older than %(minutes)s minutes.", minutes=_lifetime_minutes())
    return gettext("Too many codes were wrong, so that one no longer counts.")


def _lifetime_minutes() -> int:
    return int(LIFETIME.total_seconds()) // MINUTE


def _send_code(campaign: Campaign, form: DonationForm, attempt: str, why_again: str) -> Refusal:
    email, form.code.data = form.email.data, ""
    was_sent = checkout_codes.send_code(
        campaign_id=campaign.id, attempt=attempt, email=email, language=form.language, client_key=client_key()
    )
    if not was_sent:
        return _too_many_codes(campaign)
    db.session.commit()
    services().waker.wake("mail")
    sent = gettext(
        "We have emailed a six-digit code to %(email)s. Please enter it below within %(minutes)s minutes, and press the button again.",
        email=email,
        minutes=_lifetime_minutes(),
    )
    return Refusal(
        notice=Notice(
            kind="change",
            title=gettext("One more step: a code by email"),
            text=f"{why_again or _why()} {sent} {_nothing_lost()}",
            link="#code",
            link_text=gettext("Enter the code"),
        )
    )


def _too_many_codes(campaign: Campaign) -> Refusal:
    text = gettext(
        "Too many codes were requested in the past hour, for this address, from your network or overall. A code that you already have still works. Please try again later, use a browser with JavaScript, which needs no code, or write to %(email)s.",
        email=campaign.charity.email,
    )
    notice = Notice(kind="problem", title=gettext("We cannot email another code now"), text=f"{_why()} {text} {_nothing_lost()}")
    return Refusal(notice=notice, status=429, headers={"Retry-After": str(HOUR)})


def _too_many(wait: Wait, most: int) -> Refusal:
    minutes = -(-wait.seconds // MINUTE)
    if wait.bound is Bound.EMAIL:
        reason = gettext(
            "While we protect this form from people who test stolen cards, at most %(most)s unpaid gifts may be started within an hour under one email address.",
            most=checkout_bounds.PER_EMAIL,
        )
    else:
        reason = gettext(
            "While we protect this form from people who test stolen cards, at most %(most)s unpaid gifts may be started within an hour from one network, such as that of a home or an office.",
            most=most,
        )
    again = ngettext("Please try again in %(num)s minute.", "Please try again in %(num)s minutes.", minutes)
    notice = Notice(kind="problem", title=gettext("Please wait a little"), text=f"{reason} {again} {_nothing_lost()}")
    return Refusal(notice=notice, status=429, headers={"Retry-After": str(wait.seconds)})
