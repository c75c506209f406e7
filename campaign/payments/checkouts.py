"""Checkouts: donations from the submitted form until Stripe reports a payment or an end.

One attempt never creates two donations. The match that the donor was shown is held, or the donation does not start. A hold never shrinks;
it is released only when the payment can no longer succeed, or is quarantined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Executable, ScalarResult, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from campaign.campaigns.campaigns import Campaign
from campaign.donations import declarations, donor_merges, shared_messages, wall_entries
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import Donation, DonationDetails, new_public_id
from campaign.donations.donors import get_or_create_donor_ids
from campaign.donations.wall_entries import WallConsent
from campaign.edges.db import db
from campaign.edges.stripe.payments import CHECKOUT_MINUTES
from campaign.ledger.entries import Entry, post_entries
from campaign.matching.rematching import lock_match_session
from campaign.matching.session import HoldQuote
from campaign.payments.unpaid_holds import Holders

# The cause of the entries that hold match at the start of a checkout.
BEGUN = "begun"
# Stripe refuses a checkout that expires in less than 30 minutes. An older deadline than this is replaced before Stripe is called.
DEADLINE_MAX_AGE = timedelta(seconds=40)


class LessMatchAvailable(Exception):
    """Less match can be held than the donor was shown; `quote` is what can be held, and what would be matched if it were paid now."""

    def __init__(self, quote: HoldQuote, *, was_promised: bool) -> None:
        super().__init__(f"{quote.held_cents} of {quote.full_cents}: {quote.limit}")
        self.quote = quote
        self.was_promised = was_promised

    @property
    def held_cents(self) -> int:
        """What can be held."""
        return self.quote.held_cents


@dataclass(frozen=True, kw_only=True)
class CheckoutContext:
    """What a checkout needs besides the donor's details. `expected_match_cents` is the match that the donor was shown, None when none was.

    `client_key` identifies the donor's network address without storing it. `declaration` are the words with which the donor declares that the
    money is the organization's; empty when they do not. `shares_message` says that the message may be shown to the funder, and `wall` what
    everybody may see of the gift, None for nothing.
    """

    attempt: str
    expected_match_cents: int | None
    livemode: bool
    now: datetime
    client_key: str = ""
    declaration: str = ""
    shares_message: bool = False
    wall: WallConsent | None = None


def start_checkout(campaign: Campaign, details: DonationDetails, context: CheckoutContext) -> Donation:
    """Create the donation of this attempt with its match held, or return it if the attempt is known.

    Raises LessMatchAvailable when less can be held than was shown, or than the full match when nothing was; the caller must then roll back.
    """
    (started,) = start_checkouts(campaign, [(details, context)])
    if isinstance(started, LessMatchAvailable):
        raise started
    return started or donation_by_attempt(context.attempt)


def start_checkouts(
    campaign: Campaign, requests: Sequence[tuple[DonationDetails, CheckoutContext]]
) -> list[Donation | LessMatchAvailable | None]:
    """As `start_checkout` for several requests; results are in the order of the requests, None where the attempt is known already.

    If any result is LessMatchAvailable the caller must roll back, and may start the others again without it.
    """
    donors = get_or_create_donor_ids([details.email for details, _ in requests])
    created = _insert_new(campaign, requests, donors)
    started: dict[str, Donation | LessMatchAvailable] = dict(created)
    if campaign.holds_match and created:
        promised: dict[str, int | None] = {}
        for _, context in requests:
            if context.attempt in created:
                promised.setdefault(context.attempt, context.expected_match_cents)  # The first of two submissions of a form counts.
        started |= _hold(campaign, [created[attempt] for attempt in promised], promised)
    return [started.pop(context.attempt, None) for _, context in requests]


def get_or_create_donation(
    campaign: Campaign, details: DonationDetails, context: CheckoutContext, *, donor_id: int | None = None
) -> Donation:
    """The donation of this attempt, created without a hold if the attempt is new: it is paid already, or about to be.

    It is by the donor of its email address, unless the donor is known.
    """
    donors = {details.email: donor_id} if donor_id is not None else get_or_create_donor_ids([details.email])
    created = _insert_new(campaign, [(details, context)], donors)
    return created.get(context.attempt) or donation_by_attempt(context.attempt)


def donation_by_attempt(attempt: str) -> Donation:
    """The donation of this attempt, which must exist."""
    return db.session.scalars(select(Donation).where(Donation.attempt == attempt)).one()


def has_begun(attempt: str) -> bool:
    """Whether a donation of this attempt exists."""
    return db.session.scalar(select(Donation.id).where(Donation.attempt == attempt)) is not None


def _insert_new(
    campaign: Campaign, requests: Sequence[tuple[DonationDetails, CheckoutContext]], donors: Mapping[str, int]
) -> dict[str, Donation]:
    """Insert the donations whose attempt is new, and return them by attempt. The fixed order of inserts prevents deadlocks."""
    ordered = sorted(requests, key=lambda request: request[1].attempt)
    rows = [_row(campaign, details, context, donors[details.email]) for details, context in ordered]
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    created: ScalarResult[Donation] = db.session.scalars(_insert, columns)
    donations = {donation.attempt: donation for donation in created}
    contexts = {context.attempt: context for _, context in reversed(ordered)}
    _record_declarations(donations, contexts)
    shared_messages.record(
        [donation.id for attempt, donation in donations.items() if donation.message and contexts[attempt].shares_message]
    )
    consents = {donation.id: wall for attempt, donation in donations.items() if (wall := contexts[attempt].wall)}
    wall_entries.record(consents, campaign.id)
    return donations


def _record_declarations(donations: Mapping[str, Donation], contexts: Mapping[str, CheckoutContext]) -> None:
    for attempt, donation in donations.items():
        if donation.organization and (words := contexts[attempt].declaration):
            statement = Statement(how=How.FORM, words=words, language=donation.language)
            declarations.record(statement, [donation.id], donation.organization)


def _row(campaign: Campaign, details: DonationDetails, context: CheckoutContext, donor_id: int) -> dict[str, object]:
    return {
        **vars(details),
        "public_id": new_public_id(),
        "attempt": context.attempt,
        "campaign_id": campaign.id,
        "donor_id": donor_id,
        "livemode": context.livemode,
        "currency": campaign.currency,
        "news_consent_at": context.now if details.news_consent else None,
        "checkout_tries": 1,
        "checkout_expires_at": context.now + timedelta(minutes=CHECKOUT_MINUTES),
        "client_key": context.client_key,
    }


def _insert_statement() -> Executable:
    """One INSERT for any number of donations."""
    table = Donation.__table__
    arrays = (bindparam(name, type_=ARRAY(table.c[name].type)) for name in _COLUMNS)
    values = func.unnest(*arrays).table_valued(*_COLUMNS).render_derived()
    adding = insert(table)  # type: ignore[arg-type]  # a declarative class's table is a Table
    rows = adding.from_select(list(_COLUMNS), select(*(values.c[name] for name in _COLUMNS)), include_defaults=False)
    return select(Donation).from_statement(rows.on_conflict_do_nothing(index_elements=["attempt"]).returning(*table.c))


_COLUMNS = (
    *(field.name for field in fields(DonationDetails) if field.name != "news_consent"),
    *("public_id", "attempt", "campaign_id", "donor_id", "livemode", "currency", "news_consent_at"),
    *("checkout_tries", "checkout_expires_at", "client_key"),
)
_insert = _insert_statement()


def _hold(
    campaign: Campaign, donations: Sequence[Donation], promised: Mapping[str, int | None]
) -> dict[str, Donation | LessMatchAvailable]:
    """Hold the match of each donation, in order. Returns, by attempt, where less than promised can be held; then nothing is held."""
    session = lock_match_session([campaign.id])
    if session.has_per_donor_caps:  # The donors were found before the campaign was locked.
        donor_merges.move_strays(donations)
    session.load_new(donations)
    holders, bounds = Holders(campaign, donations, session), campaign.hold_bounds
    entries: list[Entry] = []
    shortfalls: dict[str, Donation | LessMatchAvailable] = {}
    for donation in donations:
        promise = promised[donation.attempt]
        quote = session.hold_quote(donation, bounds, holders.of(donation))
        if quote.held_cents < (quote.full_cents if promise is None else promise):
            shortfalls[donation.attempt] = LessMatchAvailable(quote, was_promised=promise is not None)
            continue
        entries += session.hold(donation, quote, cause=BEGUN)
        for holder in holders.of(donation):
            holder.add(quote.parts)
    if not shortfalls:
        post_entries(*entries)
    return shortfalls


def extend_checkout_deadline(donation: Donation, *, now: datetime) -> None:
    """Replace the deadline of a checkout that is not open at Stripe yet if Stripe would refuse it. The idempotency key changes with it."""
    expires_at = donation.checkout_expires_at
    minimum = now + timedelta(minutes=CHECKOUT_MINUTES) - DEADLINE_MAX_AGE
    if donation.checkout_id is None and (expires_at is None or expires_at < minimum):
        db.session.refresh(donation, with_for_update={"key_share": True})
        if donation.checkout_expires_at == expires_at:
            donation.checkout_tries += 1
            donation.checkout_expires_at = now + timedelta(minutes=CHECKOUT_MINUTES)


@dataclass(frozen=True, kw_only=True)
class OpenedCheckout:
    """The Checkout Session that Stripe opened for a donation."""

    donation_id: int
    session_id: str
    url: str | None


def record_opened(opened: Sequence[OpenedCheckout]) -> None:
    """Store the Checkout Sessions, in the order of ids in which donations are locked."""
    db.session.execute(_record_opened, [vars(checkout) for checkout in sorted(opened, key=lambda checkout: checkout.donation_id)])


_record_opened = (
    update(Donation.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .where(Donation.id == bindparam("donation_id"))
    .values(checkout_id=bindparam("session_id"), checkout_url=bindparam("url"))
)


OVERDUE_AT_A_TIME = 100
# A bank debit is processing for days: polled once an hour, it does not crowd out the others.
_poll_interval = case(
    (func.coalesce(Donation.processing_at, Donation.unverified_at).is_(None), timedelta(seconds=50)), else_=timedelta(hours=1)
)


def list_overdue() -> list[Donation]:
    """Open donations whose checkout has expired without a result from Stripe and that are due to be polled.

    The one polled longest ago is first, so that checkouts that Stripe does not know never keep the others from being polled.
    """
    return list(
        db.session.scalars(
            select(Donation)
            .where(
                Donation.received_at.is_(None),
                Donation.ended_at.is_(None),
                Donation.quarantined_at.is_(None),
                Donation.checkout_expires_at < func.now() - timedelta(seconds=30),
                func.coalesce(Donation.polled_at, Donation.started_at) < func.now() - _poll_interval,
            )
            .order_by(func.coalesce(Donation.polled_at, Donation.started_at))
            .limit(OVERDUE_AT_A_TIME)
        )
    )
