"""What staff export whole, as tables with headings in the current language: donors, ledger, payouts, consents to news."""

from datetime import date
from zoneinfo import ZoneInfo

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.donations.news_withdrawals import NewsWithdrawal, WithdrawnBy, news_token
from campaign.edges.services import services
from campaign.ledger.moves import Move
from campaign.reporting import donor_list, exports
from campaign.reporting.donor_list import DonorFilters
from campaign.reporting.exports import ExportedConsent
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.fiscal_years import Period
from campaign.texts.consent_words import consent_words
from campaign.web.labels import language_labels, payout_status_labels
from campaign.web.staff.donor_table import donor_table


def donors_table(charity: Charity, period: Period) -> Table:
    """A row for each donor with a gift in the period."""
    filters = DonorFilters(charity_id=charity.id, first_on=period.first_on, last_on=period.last_on)
    return donor_table(charity, donor_list.whole_list(filters, ZoneInfo(charity.time_zone)))


def ledger_table(charity: Charity, period: Period) -> Table:
    """A row for each ledger entry of the period, in the order in which they were posted."""
    kinds, accounts = move_labels(), account_labels()

    def row(one: exports.ExportedEntry) -> list[Cell]:
        entry, at = one.entry, charity.local(one.entry.at)
        return [
            at.date(),
            f"{at:%H:%M:%S}",
            kinds[Move(entry.kind)],
            accounts.get(entry.from_account, entry.from_account),
            accounts.get(entry.to_account, entry.to_account),
            entry.cents,
            one.campaign,
            one.fund,
            one.donation,
            entry.reference,
            entry.cause,
            entry.chain,
            entry.position,
        ]

    return Table(
        title=gettext("Ledger"),
        columns=(
            Column(heading=gettext("Day"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Time"), width=9),
            Column(heading=gettext("Entry"), width=22),
            Column(heading=gettext("From account"), width=18),
            Column(heading=gettext("To account"), width=18),
            Column(heading=gettext("Amount"), kind=Kind.MONEY, width=13),
            Column(heading=gettext("Campaign"), width=20),
            Column(heading=gettext("Matching fund"), width=20),
            Column(heading=gettext("Reference of the donation"), width=25),
            Column(heading=gettext("Reference of the entry"), width=30),
            Column(heading=gettext("Cause"), width=24),
            Column(heading=gettext("Chain"), width=14),
            Column(heading=gettext("Position in the chain"), kind=Kind.COUNT, width=10),
        ),
        rows=map(row, exports.entries_in(charity, period)),
        total="",
    )


def payouts_table(charity: Charity, period: Period) -> Table:
    """A row for each payout that arrives in the period."""
    states = payout_status_labels()

    def row(one: exports.ExportedPayout) -> list[Cell]:
        payout = one.payout
        return [
            charity.local(payout.arrives_at).date(),
            charity.local(payout.created_at).date(),
            states.get(payout.status, payout.status),
            one.transactions,
            one.gross_cents if one.transactions else None,
            one.fee_cents if one.transactions else None,
            payout.cents,
            payout.stripe_id,
        ]

    return Table(
        title=gettext("Payouts"),
        columns=(
            Column(heading=gettext("Arrives on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Sent on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("State"), width=16),
            Column(heading=gettext("Payments and refunds"), kind=Kind.COUNT, width=10),
            Column(heading=gettext("Before fees"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Stripe’s fees"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Paid out"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Number at Stripe"), width=30),
        ),
        rows=map(row, exports.payouts_in(charity, period)),
        total=gettext("Total"),
    )


def consents_table(charity: Charity, period: Period) -> Table:
    """A row for each consent to news of the period, with its proof: when, by which form, in which language, to which words."""
    languages = language_labels()
    words = {language: consent_words(language) for language in languages}

    def row(consent: ExportedConsent) -> list[Cell]:
        gift, agreement = consent.donation, consent.agreement
        assert gift.news_consent_at
        at = charity.local(gift.news_consent_at)
        return [
            gift.email,
            gift.full_name,
            at.date(),
            f"{at:%H:%M:%S}",
            languages[agreement.language if agreement else gift.language],
            gettext("the page of the donor’s gifts, by a button under these words")
            if agreement
            else gettext("the donation form, by a box that the donor ticked"),
            agreement.words if agreement else words[gift.language],
            gettext("received") if gift.received_at else gettext("not paid"),
            gift.public_id,
            *_withdrawn(consent.withdrawal, charity),
            services().links.news(gift.language, news_token(gift)),
        ]

    return Table(
        title=gettext("Consents"),
        columns=(
            Column(heading=gettext("Email"), width=28),
            Column(heading=gettext("Donor"), width=24),
            Column(heading=gettext("Agreed on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Time"), width=9),
            Column(heading=gettext("Language"), width=10),
            Column(heading=gettext("Where"), width=30),
            Column(heading=gettext("Words of the form, as they are now"), width=50),
            Column(heading=gettext("The gift"), width=12),
            Column(heading=gettext("Reference of the donation"), width=25),
            Column(heading=gettext("Withdrawn on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Withdrawn how"), width=24),
            Column(heading=gettext("Link to stop news"), width=40),
        ),
        rows=map(row, exports.consents_in(charity, period)),
        total="",
    )


def _withdrawn(found: NewsWithdrawal | None, charity: Charity) -> tuple[date | None, str]:
    """When and how the consent was withdrawn; nothing while it is in force."""
    if found is None:
        return None, ""
    words = {
        WithdrawnBy.LINK: gettext("the link in an email"),
        WithdrawnBy.ONE_CLICK: gettext("one click in an email program"),
        WithdrawnBy.PAGE: gettext("the page of a gift"),
        WithdrawnBy.STAFF: gettext("a request to staff"),
    }
    return charity.local(found.at).date(), words[WithdrawnBy(found.how)]


def move_labels() -> dict[Move, str]:
    """The kinds of ledger entries."""
    return {
        Move.DONATION: gettext("gift"),
        Move.COVERED_FEE: gettext("covered fee"),
        Move.FEE: gettext("Stripe’s fee"),
        Move.FEE_REFUND: gettext("Stripe’s fee returned"),
        Move.REFUND: gettext("refund of a gift"),
        Move.COVERED_FEE_REFUND: gettext("refund of a covered fee"),
        Move.COVERED_FEE_REINSTATEMENT: gettext("covered fee that came back"),
        Move.OFFLINE_REVERSAL: gettext("offline gift that was none"),
        Move.DISPUTE: gettext("gift lost in a dispute"),
        Move.REINSTATEMENT: gettext("gift that came back"),
        Move.PAYOUT: gettext("payout to the bank"),
        Move.PAYOUT_REVERSAL: gettext("payout that came back"),
        Move.PLEDGE: gettext("pledge of a funder"),
        Move.HOLD: gettext("match held"),
        Move.RELEASE: gettext("held match released"),
        Move.MATCH: gettext("match of a gift"),
        Move.UNMATCH: gettext("match taken back"),
        Move.RECEIVE: gettext("payment of a funder"),
        Move.RECEIVE_REVERSAL: gettext("payment of a funder reversed"),
        Move.CALL: gettext("call for funds"),
        Move.CALL_REVERSAL: gettext("call for funds reversed"),
    }


def account_labels() -> dict[str, str]:
    """The accounts of the ledger."""
    return {
        "donations": gettext("gifts"),
        "covered_fees": gettext("covered fees"),
        "fees": gettext("Stripe’s fees"),
        "stripe": gettext("balance at Stripe"),
        "bank": gettext("bank account"),
        "outside": gettext("pledges of funders"),
        "available": gettext("match available"),
        "held": gettext("match on hold"),
        "matched": gettext("matched"),
        "funder": gettext("funder"),
        "received": gettext("received from funders"),
    }
