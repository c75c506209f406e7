"""Plays a seeded history in the order of its events: checkouts, payments, refunds, disputes, payouts and annual receipts, each with its rows."""

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from campaign.campaigns.campaigns import Campaign
from campaign.cli.bulk_seeds import plan
from campaign.cli.bulk_seeds.donation_rows import DonationRows, Gift
from campaign.cli.bulk_seeds.entries import Ledger, OfGift
from campaign.cli.bulk_seeds.mail_rows import MailRows
from campaign.cli.bulk_seeds.matching import Matchable, Matching
from campaign.cli.bulk_seeds.people import People, Person
from campaign.cli.bulk_seeds.plan import DAY, MINUTE, MonthlyPlan, Outcome, Reversed
from campaign.cli.bulk_seeds.receipt_rows import Issued, Line, ReceiptRows
from campaign.cli.bulk_seeds.stripe_rows import DISPUTE_FEE_CENTS, Change, StripeRows, quarantine_row
from campaign.cli.bulk_seeds.tables import Rows, moment, optional_moment
from campaign.edges.stripe.payments import CHECKOUT_MINUTES
from campaign.receipts.annual import FIRST_ISSUE_DAY
from campaign.rules.money import fee_to_cover


@dataclass(kw_only=True)
class Books:
    """What writes the rows of each part of the history."""

    rows: Rows
    ledger: Ledger
    matching: Matching
    donations: DonationRows
    stripe: StripeRows
    receipts: ReceiptRows
    mail: MailRows


@dataclass(kw_only=True)
class History:
    """One history. `end` is the present; nothing is under way then. `reversals` and `donors` count what was added."""

    campaign: Campaign
    rng: random.Random
    seed: int
    end: int
    books: Books
    people: People
    first_reversal_id: int
    reversals: int = 0
    donors: int = 0
    _events: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _count: int = 0
    _valid: dict[int, Issued] = field(default_factory=dict)
    _annual: dict[tuple[int, int], tuple[Person, list[Line]]] = field(default_factory=dict)
    _by_place: dict[int, Gift] = field(default_factory=dict)
    _months: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def play(self, count: int) -> None:
        """Add `count` donations and all that follows from them."""
        begin = self.end - plan.DAYS * DAY
        self._plan_annual_receipts(begin)
        for at, monthly in plan.starts(self.rng, count, begin=begin, end=self.end):
            self._play_until(at)
            self._begin(at, monthly)
            self.books.rows.send()
        self._play_until(self.end)
        self.books.stripe.post_payouts(before=self.end)
        for gift in self._by_place.values():
            self.books.donations.finish(gift)
        for place, waiting in self.books.matching.queue.items():
            self.books.rows.add("match_queue", waiting.of.id, self.campaign.id, place, waiting.net_cents)

    def _at(self, moment_: int, act: Callable[[int], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment_, self._count, act))

    def _play_until(self, until: int) -> None:
        while self._events and self._events[0][0] <= until:
            at, _, act = heapq.heappop(self._events)
            self.books.stripe.post_payouts(before=at)
            act(at)

    def _begin(self, at: int, monthly: MonthlyPlan | None) -> None:
        person, is_new = self.people.choose()
        if is_new:
            self.books.donations.add_donor(person, at=at)
        gift = self._gift(person, at, is_monthly=monthly is not None)
        if monthly:
            self.books.donations.begin_monthly(gift, monthly)
            for month in monthly.months[1:]:
                self._at(month, lambda now: self._begin_instalment(gift, now))
        if self.campaign.holds_match:
            self.books.matching.hold(gift.match, at=at)
        outcome = Outcome.PAID if monthly else plan.outcome(self.rng)
        is_early = at < self.end - plan.DEBIT_DAYS * DAY
        gift.is_debit = not monthly and is_early and (outcome is Outcome.FAILED or self.rng.random() < plan.DEBIT)
        if outcome is Outcome.EXPIRED:
            gift.is_debit = False
            self._at(at + CHECKOUT_MINUTES * MINUTE, lambda now: self._end_unpaid(gift, now, "expired"))
        elif outcome is Outcome.FAILED and gift.is_debit:
            self._at(at + 3 * DAY, lambda now: self._end_unpaid(gift, now, "failed"))
        elif outcome is Outcome.QUARANTINED:
            gift.is_debit = False
            self._at(at + 3 * MINUTE, lambda now: self._quarantine(gift, now))
        elif gift.is_debit:
            gift.authorized_at = at + 2 * MINUTE
            self._at(at + self.rng.randrange(3, 6) * DAY, lambda now: self._receive(gift, now))
        else:
            gift.authorized_at = at + self.rng.randrange(MINUTE, 8 * MINUTE)
            self._at(gift.authorized_at, lambda now: self._receive(gift, now))

    def _gift(self, person: Person, at: int, *, is_monthly: bool) -> Gift:
        rng, campaign = self.rng, self.campaign
        cents = plan.amount(rng, least=campaign.minimum_cents, most=campaign.maximum_cents)
        fee = fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
        of = OfGift(self.books.donations.take_id(), f"d_{rng.getrandbits(80):020x}")
        expires_at = datetime.fromtimestamp(at + CHECKOUT_MINUTES * MINUTE, UTC)
        match = Matchable(of=of, amount_cents=cents, begun_at=datetime.fromtimestamp(at, UTC), expires_at=expires_at)
        return Gift(
            of=of,
            person=person,
            match=match,
            started_at=at,
            covered_fee_cents=fee if rng.random() < 0.35 else 0,
            is_monthly=is_monthly,
            extras=self.books.donations.choose_extras(rng),
        )

    def _begin_instalment(self, first: Gift, at: int) -> None:
        of = OfGift(self.books.donations.take_id(), f"d_{self.rng.getrandbits(80):020x}")
        match = Matchable(of=of, amount_cents=first.match.amount_cents, begun_at=datetime.fromtimestamp(at, UTC), expires_at=None)
        gift = Gift(
            of=of,
            person=first.person,
            match=match,
            started_at=at,
            covered_fee_cents=first.covered_fee_cents,
            is_monthly=True,
            recurring_id=first.recurring_id,
            is_instalment=True,
            extras=first.extras,
            authorized_at=at,
        )
        self._receive(gift, at)

    def _end_unpaid(self, gift: Gift, at: int, ended_as: str) -> None:
        kind = "checkout.session.expired" if ended_as == "expired" else "payment_intent.payment_failed"
        cause = self.books.stripe.record_event(kind, gift.of, object_id=gift.checkout_id, created=at, outcome=ended_as)
        self._announce(self.books.matching.end_hold(gift.match, at=at, cause=cause), at)
        gift.authorized_at, gift.ended_at, gift.ended_as = None, at, ended_as
        if ended_as == "failed":
            self.books.mail.send("payment_failed", gift.of.public_id, gift.of, gift.person, at=at)
        self.books.donations.finish(gift)

    def _quarantine(self, gift: Gift, at: int) -> None:
        cents = gift.charged_cents + 5_00
        cause = self.books.stripe.record_event(
            "checkout.session.completed", gift.of, object_id=gift.checkout_id, created=at, outcome="quarantined"
        )
        self._announce(self.books.matching.end_hold(gift.match, at=at, cause=cause), at)
        gift.authorized_at, gift.quarantined_at, gift.has_payment = None, at, True
        gift.quarantine_reason = f"paid {cents} cents, not {gift.charged_cents}"
        row = quarantine_row(gift.of, payment_intent=gift.payment_intent, cents=cents, currency=self.campaign.currency, at=at)
        self.books.rows.add("quarantined_payment", *row)
        self.books.stripe.record_change(gift.charge(cents, at=at), payment_intent=gift.payment_intent, at=at, gift=None)
        self.books.donations.finish(gift)

    def _receive(self, gift: Gift, at: int) -> None:
        books, match = self.books, gift.match
        gift.received_at, gift.has_payment = at, True
        assert gift.authorized_at is not None
        match.authorized_at, match.net_cents = datetime.fromtimestamp(gift.authorized_at, UTC), match.amount_cents
        kind = "payment_intent.succeeded" if gift.is_debit else "invoice.paid" if gift.is_instalment else "checkout.session.completed"
        cause = books.stripe.record_event(kind, gift.of, object_id=gift.payment_intent, created=at, outcome="paid")
        post = books.ledger.post
        accounts, name = ("donations", "stripe"), gift.of.public_id
        match.place = post("donation", accounts, match.amount_cents, at=at, reference=f"donation:{name}", cause=cause, gift=gift.of)
        if gift.covered_fee_cents:
            accounts = ("covered_fees", "stripe")
            post("covered_fee", accounts, gift.covered_fee_cents, at=at, reference=f"covered_fee:{name}", cause=cause, gift=gift.of)
        rematched = books.matching.match_paid(match, at=at, cause=cause)
        change = gift.charge(gift.charged_cents, at=gift.authorized_at)
        books.stripe.record_change(change, payment_intent=gift.payment_intent, at=at, gift=gift.of)
        if not gift.person.has_donated:
            gift.person.has_donated = True
            self.donors += 1
            books.rows.add("campaign_donor", self.campaign.id, gift.person.id)
        planned = None if gift.person.is_annual or gift.person.missing_elements else plan.reversal(self.rng, paid_at=at, end=self.end)
        self._issue(gift, at, is_reversed=planned is not None)
        if planned or books.matching.is_waiting(match):
            self._by_place[match.place] = gift
        else:
            books.donations.finish(gift)
        if planned:
            self._at(at + planned.after, lambda now: self._reverse(gift, planned, now))
        self._announce(rematched, at)

    def _issue(self, gift: Gift, at: int, *, is_reversed: bool) -> None:
        """Issue the receipt of a donation that was just paid, or let it wait."""
        books, line = self.books, gift.line()
        if missing := gift.person.missing_elements:
            books.mail.wait(gift.of, missing, at=at)
        elif gift.person.is_annual:
            year = books.receipts.day(at).year
            self._annual.setdefault((year, gift.person.id), (gift.person, []))[1].append(line)
            books.mail.send("receipt", gift.of.public_id, gift.of, gift.person, at=at)
        else:
            receipt = books.receipts.issue(gift.person, [line], at=at + 20)
            books.mail.send("receipt", gift.of.public_id, gift.of, gift.person, at=at, receipt_id=receipt.id)
            if is_reversed:
                self._valid[gift.of.id] = receipt
            else:
                books.receipts.add_lines(receipt, [line], is_current=True)

    def _announce(self, rematched: list[Matchable], at: int) -> None:
        """Send the news of a match that has increased, and finish the donations that are not waiting any longer."""
        for match in rematched:
            gift = self._by_place[match.place]
            self._months[match.of.id] += 1
            about = f"{match.of.public_id}:{self._months[match.of.id]}"
            self.books.mail.send("match_increased", about, gift.of, gift.person, at=at + 20)
            if not self.books.matching.is_waiting(match) and match.of.id not in self._valid:
                self.books.donations.finish(self._by_place.pop(match.place))

    def _reverse(self, gift: Gift, planned: plan.Reversal, at: int) -> None:
        books, is_refund = self.books, planned.kind is Reversed.REFUND
        cents = max(1, int(gift.charged_cents * planned.part))
        counts = planned.kind in (Reversed.REFUND, Reversed.LOST)
        number, self.reversals = self.first_reversal_id + self.reversals, self.reversals + 1
        name = f"{'re' if is_refund else 'dp'}_seed_{self.seed}_{number}"
        kind, event = ("refund", "charge.refunded") if is_refund else ("dispute", "charge.dispute.updated")
        status = {Reversed.REFUND: "succeeded", Reversed.LOST: "lost", Reversed.WON: "won", Reversed.OPEN: "needs_response"}[planned.kind]
        reason = "" if is_refund else "fraudulent"
        respond_by = optional_moment(None if is_refund else at + 10 * DAY)
        effect = (cents, cents, 1) if counts else (0, 0, 0)
        of = (number, name, kind, gift.payment_intent, cents, status, reason, respond_by, moment(at))
        books.rows.add("reversal", *of, 1, *effect)
        cause = books.stripe.record_event(event, gift.of, object_id=name, created=at, outcome=f"{kind}: {status}")
        for change in _changes(name, planned.kind, cents):
            books.stripe.record_change(change, payment_intent=gift.payment_intent, at=at, gift=gift.of)
        rematched: list[Matchable] = []
        if counts:
            rematched = self._take_back(gift, number, name, kind, cents, at, cause)
        else:
            books.receipts.add_lines(self._valid[gift.of.id], [gift.line()], is_current=True)
        del self._valid[gift.of.id]
        self._announce(rematched, at)
        if gift.match.place in self._by_place and not books.matching.is_waiting(gift.match):
            books.donations.finish(self._by_place.pop(gift.match.place))

    def _take_back(self, gift: Gift, number: int, name: str, kind: str, cents: int, at: int, cause: str) -> list[Matchable]:
        """Post what was returned, lower the match, and replace the receipt. Returns the donations that are matched with what is freed."""
        books, match, first = self.books, gift.match, gift.line()
        fee = cents * gift.covered_fee_cents // gift.charged_cents
        for move, part, account in ((kind, cents - fee, "donations"), ("covered_fee_refund", fee, "covered_fees")):
            if part:
                books.ledger.post(move, ("stripe", account), part, at=at, reference=f"{move}:{name}:1", cause=cause, gift=gift.of)
        match.net_cents -= cents - fee
        rematched = books.matching.reduce(match, at=at, cause=cause, freed_by=kind)
        receipt, rest = self._valid[gift.of.id], gift.charged_cents - cents
        books.receipts.add_lines(receipt, [first], is_current=False)
        books.receipts.end(receipt, at=at + 60, is_replaced=rest > 0)
        if rest:
            line = Line(gift=gift.of, cents=rest, received_at=first.received_at)
            replacement = books.receipts.issue(gift.person, [line], at=at + 60, replaces=receipt)
            books.receipts.add_lines(replacement, [line], is_current=True)
        books.receipts.report_returned(first, receipt, reversal_id=number, cents=cents, at=at)
        books.mail.send("reversal", f"{name}:1", gift.of, gift.person, at=at + 60, reversal=(number, cents))
        return rematched

    def _plan_annual_receipts(self, begin: int) -> None:
        zone = ZoneInfo(self.campaign.charity.time_zone)
        for year in range(self.books.receipts.day(begin).year, self.books.receipts.day(self.end).year):
            due = int(datetime(year + 1, *FIRST_ISSUE_DAY, 6, tzinfo=zone).timestamp())
            if due < self.end:
                self._at(due, lambda now, year=year: self._issue_annual(year, now))  # type: ignore[misc]  # bound here, for this year

    def _issue_annual(self, year: int, at: int) -> None:
        for key in [key for key in self._annual if key[0] == year]:
            person, lines = self._annual.pop(key)
            receipt = self.books.receipts.issue(person, lines, at=at, received_in=year)
            self.books.receipts.add_lines(receipt, lines, is_current=True)
            self.books.mail.send("annual_receipt", str(receipt.id), lines[-1].gift, person, at=at, receipt_id=receipt.id)


def _changes(name: str, kind: Reversed, cents: int) -> Iterator[Change]:
    """What a refund or dispute changes of the balance at Stripe."""
    if kind is Reversed.REFUND:
        yield Change(f"txn_{name}", "refund", "refund", name, -cents, 0)
    else:
        yield Change(f"txn_{name}", "adjustment", "dispute", name, -cents, DISPUTE_FEE_CENTS)
    if kind is Reversed.WON:
        yield Change(f"txn_{name}_won", "adjustment", "dispute_reversal", name, cents, 0)
