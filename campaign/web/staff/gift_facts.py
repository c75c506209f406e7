"""What came with a gift and what became of its money, for its page: how it was paid, wishes, consent, the payment at Stripe and its payout."""

from typing import Any

from flask_babel import gettext

from campaign.donations import news_withdrawals
from campaign.donations.donations import Donation
from campaign.edges.services import services
from campaign.payments.offline_gifts import OfflineGift
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineMethod
from campaign.stripe_sync import payouts
from campaign.texts.dates import format_day, format_moment
from campaign.web.labels import language_labels, payment_method, tribute_sentence
from campaign.web.languages import current_language
from campaign.web.staff.messages import shown_message
from campaign.web.staff.wall import wall_of

STRIPE_DASHBOARD = "https://dashboard.stripe.com"


def gift_facts(donation: Donation, offline: OfflineGift | None) -> dict[str, Any]:
    """The values of the section. The message is shown apart, as the donor wrote it."""
    payout = payouts.payout_of(donation.payment_intent) if donation.payment_intent else None
    language, local = current_language(), donation.campaign.charity.local
    return {
        "shown_message": shown_message(donation),
        "wall": wall_of(donation),
        "with_gift": list(_facts(donation, offline).items()),
        "payment": {"id": donation.payment_intent, "url": _address_at_stripe(donation.payment_intent)} if donation.payment_intent else None,
        "payout": {"id": payout.stripe_id, "on": format_day(local(payout.arrives_at).date(), language)} if payout else None,
    }


def _address_at_stripe(payment_intent: str) -> str:
    """The payment on Stripe's dashboard, in the mode of the service."""
    mode = "" if services().settings.stripe_livemode else "/test"
    return f"{STRIPE_DASHBOARD}{mode}/payments/{payment_intent}"


def _facts(donation: Donation, offline: OfflineGift | None) -> dict[str, str]:
    language = current_language()
    consented, withdrawn = donation.news_consent_at, news_withdrawals.withdrawal_of(donation)
    return {
        gettext("Frequency"): gettext("each month") if donation.frequency == "monthly" else gettext("once"),
        gettext("Paid by"): payment_method(is_debit=donation.is_debit, offline_method=OfflineMethod(offline.method) if offline else None),
        gettext("Covered fee"): format_money(donation.covered_fee_cents, language) if donation.covered_fee_cents else gettext("none"),
        gettext("Language"): language_labels()[donation.language],
        gettext("In public"): gettext("anonymous") if donation.anonymous else donation.public_name or gettext("no name"),
        gettext("Tribute"): tribute_sentence(donation) or gettext("no tribute"),
        gettext("News by email"): gettext(
            "withdrawn on %(moment)s", moment=format_moment(donation.campaign.charity.local(withdrawn.at), language)
        )
        if withdrawn
        else gettext("agreed on %(moment)s", moment=format_moment(donation.campaign.charity.local(consented), language))
        if consented
        else gettext("not agreed"),
    }
