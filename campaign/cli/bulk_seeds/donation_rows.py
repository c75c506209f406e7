"""Donations of a seeded history, with their donors and monthly gifts."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from campaign.campaigns.campaigns import Campaign
from campaign.cli.bulk_seeds.entries import OfGift
from campaign.cli.bulk_seeds.matching import Matchable
from campaign.cli.bulk_seeds.people import Person
from campaign.cli.bulk_seeds.plan import DAY, MINUTE, MonthlyPlan
from campaign.cli.bulk_seeds.receipt_rows import Line
from campaign.cli.bulk_seeds.stripe_rows import Change
from campaign.cli.bulk_seeds.tables import Rows, Value, moment, optional_moment
from campaign.donations.declarations import DONOR, How
from campaign.donations.donors import ANNUAL, PER_DONATION
from campaign.edges.stripe.payments import CHECKOUT_MINUTES
from campaign.rules.receipt_requirements import LANGUAGES
from campaign.texts.declaration_words import words_in_form

TRIBUTES = ["Marguerite Gagnon", "Papa", "Dr. Harpreet Singh", "Mamie Côté", "Our Zoë"]
MESSAGES = ["Courage à toute l’équipe", "Thank you for your work", "Pour ma sœur, qui marche de nouveau", "In gratitude", "Bravo"]


class Extras(NamedTuple):
    """What few donors add: a tribute and its name, and a message."""

    tribute_kind: str | None = None
    tribute_name: str = ""
    message: str = ""


@dataclass(slots=True, kw_only=True)
class Gift:
    """A donation as its events have left it. Moments are in seconds since 1970."""

    of: OfGift
    person: Person
    match: Matchable
    started_at: int
    covered_fee_cents: int
    is_monthly: bool
    extras: Extras
    is_instalment: bool = False
    recurring_id: int | None = None
    is_debit: bool = False
    has_payment: bool = False
    authorized_at: int | None = None
    received_at: int | None = None
    ended_at: int | None = None
    ended_as: str | None = None
    quarantined_at: int | None = None
    quarantine_reason: str | None = None

    @property
    def charged_cents(self) -> int:
        """The donation and the covered fee."""
        return self.match.amount_cents + self.covered_fee_cents

    @property
    def payment_intent(self) -> str:
        """The id of its payment at Stripe."""
        return f"pi_seed_{self.of.public_id}"

    @property
    def checkout_id(self) -> str:
        """The id of its checkout at Stripe."""
        return f"cs_seed_{self.of.public_id}"

    def charge(self, cents: int, *, at: int) -> Change:
        """The charge of its payment, created at this moment."""
        fee = cents * 29 // 1000 + 30
        name = self.of.public_id
        return Change(f"txn_seed_{name}", "charge", "charge", f"ch_seed_{name}", cents, fee, charged_at=at, is_debit=self.is_debit)

    def line(self) -> Line:
        """It on a receipt, before anything was returned."""
        assert self.received_at is not None
        return Line(gift=self.of, cents=self.charged_cents, received_at=self.received_at)


class DonationRows:
    """Numbers donations and monthly gifts, and adds their rows once nothing changes them any more."""

    def __init__(self, rows: Rows, campaign: Campaign, *, first_id: int, first_recurring_id: int, end: int) -> None:
        self.next_id, self.next_recurring_id = first_id, first_recurring_id
        self._rows = rows
        self._campaign_id, self._currency = campaign.id, campaign.currency
        self._end = end
        self._words = {language: words_in_form(language) for language in LANGUAGES}

    def take_id(self) -> int:
        """The id of the next donation."""
        self.next_id += 1
        return self.next_id - 1

    def choose_extras(self, rng: random.Random) -> Extras:
        """A tribute or a message, of few donations."""
        dice = rng.random()
        if dice < 0.04:
            return Extras(tribute_kind=rng.choice(["honour", "memory"]), tribute_name=rng.choice(TRIBUTES))
        return Extras(message=rng.choice(MESSAGES)) if dice < 0.12 else Extras()

    def add_donor(self, person: Person, *, at: int) -> None:
        """Add the donor, who is new."""
        self._rows.add("donor", person.id, person.email, moment(at), ANNUAL if person.is_annual else PER_DONATION)

    def begin_monthly(self, gift: Gift, monthly: MonthlyPlan) -> None:
        """Add the monthly gift that the donation begins."""
        number, self.next_recurring_id = self.next_recurring_id, self.next_recurring_id + 1
        gift.recurring_id = number
        names = (f"sub_seed_{gift.of.public_id}", f"cus_seed_{gift.of.public_id}")
        ended = (None, None) if monthly.ended_at is None else (moment(monthly.ended_at), "cancellation_requested")
        state = ("active" if monthly.ended_at is None else "canceled", None if monthly.ended_at else moment(self._end + 10 * DAY))
        row = (number, gift.of.id, *names, gift.match.amount_cents, gift.covered_fee_cents, gift.person.email)
        self._rows.add("recurring_gift", *row, *_person(gift.person), *state, 1, moment(gift.started_at), *ended)

    def finish(self, gift: Gift) -> None:
        """Add the donation as it is now, and what its funds hold and have matched."""
        person, match, number = gift.person, gift.match, gift.of.id
        attempt = f"invoice:in_seed_{number}" if gift.is_instalment else f"seed:bulk:{number}"
        of = (number, gift.of.public_id, attempt, self._campaign_id, person.id, person.language, False, self._currency)
        named: tuple[Value, ...] = (
            person.first_name,
            person.last_name,
            person.organization,
            person.in_own_name,
            person.email,
            *_address(person),
        )
        public: tuple[Value, ...] = (person.public_name, person.is_anonymous, *gift.extras)
        consent = moment(gift.started_at) if person.has_consented else None
        expires = None if gift.is_instalment else moment(gift.started_at + CHECKOUT_MINUTES * MINUTE)
        checkout = (1, expires, None if gift.is_instalment else gift.checkout_id, gift.payment_intent if gift.has_payment else None)
        processing = moment(gift.started_at + 2 * MINUTE) if gift.is_debit else None
        paid = (processing, optional_moment(gift.authorized_at), optional_moment(gift.received_at))
        ended = (optional_moment(gift.ended_at), gift.ended_as, optional_moment(gift.quarantined_at), gift.quarantine_reason)
        recurring = ("monthly" if gift.is_monthly else "once", gift.recurring_id)
        sums = (match.amount_cents, gift.covered_fee_cents)
        at = moment(gift.started_at)
        self._rows.add(
            "donation", *of, *sums, *named, *public, consent, at, *checkout, *paid, *ended, match.net_cents, match.limit, *recurring
        )
        for fund_id, share in match.shares.items():
            self._rows.add("donation_match", number, fund_id, share.held, share.matched, share.moves)
        if person.organization and person.is_declared and not person.in_own_name and not gift.is_instalment:
            declared = (number, person.organization, self._words[person.language], person.language, How.FORM.value, DONOR, at)
            self._rows.add("receipt_declaration", *declared)


def _address(person: Person) -> tuple[str, ...]:
    return (person.address_line1, "", person.city, person.province, person.postal_code, person.country)


def _person(person: Person) -> tuple[str | bool, ...]:
    return (person.first_name, person.last_name, person.organization, person.in_own_name, *_address(person))
