"""The rows of the pages of months, formatted for display: figures with those of the closing, Stripe's lines beside the books, payouts, checks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from flask import url_for
from flask_babel import format_decimal as format_number
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.ledger.moves import Move
from campaign.reporting import journal, months, stripe_clearing
from campaign.reporting.closed_months import ClosedMonth
from campaign.reporting.journal import MoveSum
from campaign.reporting.journal_postings import MONEY, MoneyMove, money_move
from campaign.reporting.month_checks import Checked, MonthCheck
from campaign.reporting.months import AtStripe, MonthFigures
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Movement, Purpose, Subject
from campaign.rules.money import format_money
from campaign.stripe_sync.payouts import NOT_APPLICABLE
from campaign.texts.dates import format_day
from campaign.texts.journal_words import describe_movement
from campaign.texts.month_words import check_sentence, figure_label
from campaign.web.labels import payout_status_labels
from campaign.web.languages import current_language

# What the funders of a month promised and paid, and its receipts, beside what lies at Stripe.
OF_FUNDERS = (Move.PLEDGE, Move.MATCH, Move.UNMATCH, Move.CALL, Move.CALL_REVERSAL, Move.RECEIVE, Move.RECEIVE_REVERSAL)
OF_RECEIPTS = ("issued", "ended")
OF_MONEY = frozenset({Purpose.STRIPE, Purpose.UNDEPOSITED, Purpose.BANK})
# Of what staff do for a check.
PAGES = {
    MonthCheck.STRIPE_READ: ("staff_settlement.page", "balance"),
    MonthCheck.RECONCILED: ("staff_settlement.page", "compared"),
    MonthCheck.DIFFERENCES: ("staff_settlement.page", "compared"),
    MonthCheck.BOOKS: ("staff_dashboard.page", ""),
    MonthCheck.TIES: ("staff_journal.page", ""),
    MonthCheck.PAYOUTS_TIED: ("staff_settlement.page", "payouts"),
    MonthCheck.PAYOUTS_BACK: ("staff_settlement.page", "payouts"),
    MonthCheck.PAYOUTS_BY_HAND: ("staff_settlement.page", "payouts"),
    MonthCheck.QUARANTINE: ("staff_quarantine.page", ""),
    MonthCheck.DISPUTES: ("staff_settlement.page", "disputes"),
    MonthCheck.DEBITS: ("staff_dashboard.page", ""),
    MonthCheck.EVENTS: ("staff_failed_events.dead", ""),
    MonthCheck.RECEIPTS: ("staff_receipts.register", "waiting"),
    MonthCheck.PAYMENT_REQUESTS: ("staff_funds.page", ""),
}


def money(cents: int) -> str:
    """The amount in the current language."""
    return format_money(cents, current_language())


def _signed(name: str, cents: int) -> int:
    """What a figure adds to what lies at Stripe, waits for a deposit or is at the bank; promises and receipts as they are."""
    posting = MONEY.get(money_move(name)) if name in {move.value for move in MONEY} else None
    return -cents if posting and posting.credit in OF_MONEY else cents


def figure_groups(figures: MonthFigures, closed: ClosedMonth | None) -> list[dict[str, Any]]:
    """The figures in groups, each with what it was when the month was closed."""
    now, then = figures.as_json(), closed.figures if closed else {}
    at_stripe, undeposited = _moves_of(Purpose.STRIPE), _moves_of(Purpose.UNDEPOSITED)
    names = {
        gettext("Money at Stripe"): ["opening", *at_stripe, "closing"],
        gettext("Funders"): [move.value for move in OF_FUNDERS],
        gettext("Receipts"): list(OF_RECEIPTS),
    }
    if any(has_some.get(name, (0, 0))[1] for has_some in (now, then) for name in ("undeposited_opening", *undeposited)):
        names |= {gettext("Cheques and cash before their deposit"): ["undeposited_opening", *undeposited, "undeposited_closing"]}
    others = [move.value for move in MONEY if move.value not in (*at_stripe, *undeposited) and move not in OF_FUNDERS]
    if others:
        names |= {gettext("Straight to the bank"): others}
    groups = [
        {"name": name, "rows": list(_figure_rows(of_group, now, then, is_closed=closed is not None))} for name, of_group in names.items()
    ]
    return [group for group in groups if group["rows"]]


def _moves_of(account: Purpose) -> list[str]:
    return [move.value for move, posting in MONEY.items() if account in (posting.debit, posting.credit)]


def _figure_rows(names: Sequence[str], now: Mapping[str, Any], then: Mapping[str, Any], *, is_closed: bool) -> Iterator[dict[str, Any]]:
    for name in names:
        if name in now or name in then:
            (count, cents), (count_then, cents_then) = now.get(name, (0, 0)), then.get(name, (0, 0))
            signed, signed_then = _signed(name, cents), _signed(name, cents_then)
            yield {
                "label": figure_label(name, current_language()),
                "count": count or "",
                "sum": money(signed),
                "then": money(signed_then) if is_closed else "",
                "difference": money(signed - signed_then) if is_closed and (count, cents) != (count_then, cents_then) else "",
                "is_total": name.endswith(("opening", "closing")),
            }


def overview_row(sums: Mapping[MoneyMove, MoveSum]) -> dict[str, Any]:
    """Gifts, fees, also as a percent of what was paid through Stripe, what went back and payouts of a month."""
    cents = dict.fromkeys(Subject, 0)
    for move, found in sums.items():
        posting = MONEY[move]
        sign = 1 if posting.debit in OF_MONEY else -1
        cents[posting.subject] += sign * found.cents
    payouts = journal.change_of(Purpose.BANK, {move: found for move, found in sums.items() if MONEY[move].subject is Subject.PAYOUTS})
    paid = sum(sums[move].cents for move in (Move.DONATION, Move.COVERED_FEE) if move in sums)
    return {
        "gifts": money(cents[Subject.GIFTS]),
        "fees": money(cents[Subject.FEES]),
        "percent": _percent(-cents[Subject.FEES], paid) if paid else "",
        "returns": money(cents[Subject.RETURNS]),
        "payouts": money(payouts),
    }


def added(of_months: Iterable[Mapping[MoneyMove, MoveSum]]) -> dict[MoneyMove, MoveSum]:
    """The sums of several months together."""
    together: dict[MoneyMove, MoveSum] = {}
    for move, found in (pair for sums in of_months for pair in sums.items()):
        before = together.get(move, MoveSum(entries=0, cents=0))
        together[move] = MoveSum(entries=before.entries + found.entries, cents=before.cents + found.cents)
    return together


def _percent(fees_cents: int, paid_cents: int) -> str:
    hundredths = (10_000 * fees_cents + paid_cents // 2) // paid_cents
    return gettext("%(number)s%%", number=format_number(Decimal(hundredths).scaleb(-2), "0.00"))


def comparison_rows(figures: MonthFigures, at_stripe: AtStripe) -> list[dict[str, Any]]:
    """The month by the books beside Stripe's own lines, and what differs."""
    of = {
        subject: journal.change_of(
            Purpose.STRIPE, {m: found for m, found in figures.sums.items() if m in MONEY and MONEY[m].subject is subject}
        )
        for subject in Subject
    }
    of_disputes = gettext("Stripe takes the money of a dispute when it is opened, the books when it is lost.")
    of_payouts = gettext("The books have the campaigns’ part; a payout also has other money of the account.")
    of_others = gettext("Other sales, payments in quarantine, and what Stripe charges the account: enter them yourself.")
    rows = (
        (gettext("Payments of gifts"), of[Subject.GIFTS], at_stripe.gifts_cents, ""),
        (gettext("Refunds and disputes"), of[Subject.RETURNS], at_stripe.returns_cents, of_disputes),
        (gettext("Fees"), of[Subject.FEES], -at_stripe.fees_cents, ""),
        (gettext("Payouts"), of[Subject.PAYOUTS], at_stripe.payouts_cents, of_payouts),
        (gettext("Not of this service"), 0, at_stripe.other_cents, of_others),
        (gettext("Balance at the end"), figures.stripe.closing_cents, at_stripe.closing_cents, ""),
    )
    return [
        {
            "name": name,
            "books": money(books),
            "stripe": money(stripe),
            "difference": money(stripe - books) if stripe != books else "",
            "why": why if stripe != books else "",
        }
        for name, books, stripe, why in rows
    ]


def payout_rows(campaign: Campaign, period: Period) -> list[dict[str, Any]]:
    """The payouts of the month, with the day on which each is at the bank."""
    found, language, charity = months.payouts_of(campaign.charity, period), current_language(), campaign.charity
    shares = stripe_clearing.share_of(campaign, [payout.stripe_id for payout in found])
    return [
        {
            "id": payout.stripe_id,
            "sent": format_day(charity.local(payout.created_at).date(), language, "medium"),
            "arrives": format_day(charity.local(payout.arrives_at).date(), language, "medium"),
            "sum": money(payout.cents),
            "share": money(shares[payout.stripe_id]) if payout.stripe_id in shares else "–",
            "status": payout_status_labels().get(payout.status, payout.status),
            "is_manual": payout.reconciliation_status == NOT_APPLICABLE,
        }
        for payout in found
    ]


def check_row(checked: Checked) -> dict[str, Any]:
    """A check with its page."""
    endpoint, anchor = PAGES[checked.check]
    return {
        "sentence": check_sentence(checked.check.value, checked.count, current_language()),
        "is_open": bool(checked.count),
        "stops": checked.stops,
        "url": url_for(endpoint, _anchor=anchor or None),
    }


def late_rows(movements: Sequence[Movement]) -> list[dict[str, str]]:
    """What came after the closing of the month."""
    return [
        {
            "on": movement.on.isoformat(),
            "what": describe_movement(movement, current_language()),
            "reference": movement.reference,
            "sum": money(_signed(movement.kind, movement.cents)),
        }
        for movement in movements
    ]
