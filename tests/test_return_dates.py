"""The returns by the dates of receipts: the year of a gift's first receipt, and what changed between the filing of a return and its record."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.funders import funder_actions, payment_actions, payment_receipts, payments
from campaign.funders.funders import ABROAD, Funder
from campaign.funders.payments import FunderPayment
from campaign.receipts import lifecycle
from campaign.receipts.contents import IssueContext
from campaign.receipts.filed_returns import FiledReturn
from campaign.receipts.receipts import EndReason
from campaign.reporting import filing_changes, return_gifts, returns
from campaign.reporting.filing_changes import Change
from campaign.reporting.first_receipts import Side
from campaign.reporting.integrity import checker
from campaign.reporting.nonresident_donors import nonresident_donors
from campaign.rules.fiscal_years import fiscal_year, fiscal_year_of
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails
from campaign.rules.return_lines import Form
from tests.factories import PLEDGERS, create_fund, create_pledgers, create_refund, issue_receipt, pay, start_donation, today
from tests.return_oracle import read_issued
from tests.sheets import read_csv, read_workbook
from tests.web import open_page, signed_in, submit

END = "03-31"
YEAR = fiscal_year_of(END, today()) - 1
PERIOD = fiscal_year(END, YEAR)
ACTOR = "manager@example.org"
ABROAD_ADDRESS: dict[str, Any] = {"country": "US", "province": "NY", "city": "Albany", "postal_code": "12207"}


def moment_in(year: int) -> datetime:
    """A moment in the fiscal year."""
    return datetime(year - 1, 11, 20, 15, tzinfo=UTC)


def context(year: int) -> IssueContext:
    return IssueContext(now=moment_in(year), links=Links("http://127.0.0.1:8000"))


def received(campaign: Campaign, cents: int, year: int = YEAR, **details: Any) -> Donation:
    donation = start_donation(campaign, cents, **details)
    pay(donation, at=moment_in(year))
    return donation


def paid_by(campaign: Campaign, cents: int, position: int, year: int = YEAR, **details: Any) -> FunderPayment:
    fund = create_fund(campaign, 2 * cents, position=position)
    funder = db.session.get_one(Funder, fund.funder_id)
    for name, value in {"legal_name": f"Funder {position}", "address": ["1, rue Neuve", "Laval"], "province": "QC", **details}.items():
        setattr(funder, name, value)
    return payments.record_payment(fund, cents, received_on=moment_in(year).date(), reference="17", livemode=False, actor=ACTOR)


FATES = ("as it was", "replaced", "part returned", "all returned", "voided", "cancelled and due again")


def suffer(donation: Donation, fate: str) -> None:
    """What happens to the gift in the year after all others."""
    after = moment_in(YEAR + 1) + timedelta(days=1)
    match fate:
        case "replaced":
            lifecycle.replace(donation, IssueContext(now=after, links=Links("http://127.0.0.1:8000")), EndReason.LOST, actor=ACTOR, note="")
        case "part returned":
            create_refund(donation, 1_00)
            issue_receipt(donation, now=after)
        case "all returned" | "cancelled and due again":
            create_refund(donation, donation.charged_cents, name=f"re_{donation.id}")
            issue_receipt(donation, now=after)
        case "voided" if receipt := issue_receipt(donation):
            lifecycle.void(receipt, actor=ACTOR, note="")
    if fate == "cancelled and due again":
        create_refund(donation, donation.charged_cents, name=f"re_{donation.id}", status="failed")
        issue_receipt(donation, now=after + timedelta(days=1))


def test_a_gift_counts_in_the_year_of_its_first_receipt_whatever_happened_to_it_later(campaign: Campaign) -> None:
    """Each gift that has a valid receipt counts in one year, by an oracle. The gifts that differ lead from one figure of line 4500 to the other."""
    charity = campaign.charity
    charity.fiscal_year_end = END
    create_pledgers()
    for number, (wait, fate) in enumerate(product(range(3), FATES)):
        gift = received(campaign, 10_00 + 2**number, YEAR - 1, **(ABROAD_ADDRESS if number % 5 == 0 else {}))
        issue_receipt(gift, now=moment_in(YEAR - 1 + wait))
        suffer(gift, fate)
    received(campaign, 77_77)
    corrected = paid_by(campaign, 900_00, 20, YEAR - 1, is_registered_charity=False)
    payment_receipts.issue_receipt(corrected, context(YEAR))
    late = paid_by(campaign, 800_00, 21, YEAR - 1, is_registered_charity=False, province=ABROAD)
    payment_receipts.issue_receipt(late, context(YEAR))
    partly_back = paid_by(campaign, 600_00, 23, YEAR - 1, is_registered_charity=False)
    payment_receipts.issue_receipt(partly_back, context(YEAR))
    no_receipt_due = paid_by(campaign, 700_00, 22, YEAR - 1, is_registered_charity=False)
    payment_receipts.issue_receipt(no_receipt_due, context(YEAR))
    payments.funder_of(no_receipt_due).is_registered_charity = True
    db.session.commit()
    right = PaymentDetails(cents=901_00, received_on=corrected.received_on, reference="18")
    request = payment_actions.request_correction(corrected, right, actor=PLEDGERS[0], reason="r", answered=[*PaymentQuestion])
    payment_actions.decide(request, agrees=True, actor=PLEDGERS[1])
    send_back(partly_back, 100_00, "1")
    issued = 0
    for period in returns.fiscal_years(charity, datetime.now(UTC)):
        found = returns.returns_of(charity, period)
        expected = read_issued(db.session.connection(), period.first_on, period.last_on)
        assert found.lines_by_issue(Form.T3010) | found.lines_by_issue(Form.TP_985_22) == expected, period
        later, earlier = (list(return_gifts.gifts_that_differ(charity, period, side)) for side in Side)
        assert (len(later), sum(gift.cents for gift in later)) == found.receipted_later
        assert (len(earlier), sum(gift.cents for gift in earlier)) == (found.receipted_before.gifts, found.receipted_before.cents)
        assert all(gift.received_on < period.first_on for gift in earlier)
        assert not any(period.first_on <= (gift.first_issued_on or date.max) <= period.last_on and gift.serial for gift in later)
        assert found.lines(Form.T3010)["4500"] - found.receipted_later[1] + found.receipted_before.cents == expected["4500"]
        issued += expected["4500"]
    assert issued == read_issued(db.session.connection(), date(2000, 1, 1), date(2999, 1, 1))["4500"], "each gift in one year"


def test_donors_outside_canada_who_gave_ten_thousand_are_listed_by_donor(app: Flask, campaign: Campaign) -> None:
    """With all gifts of a donor in the year added up; a country without an address is no address."""
    campaign.charity.fiscal_year_end = END
    path, client = f"/staff/receipts/returns{{}}?year={YEAR}&lang={{}}", signed_in(app, "manager")
    none = "No donor with an address outside Canada gave $10,000 or more"
    assert none in open_page(client, path.format("", "en")).text
    for cents in (6_000_00, 4_000_00):
        received(campaign, cents, email="anne@example.org", **ABROAD_ADDRESS)
    received(campaign, 9_999_99, **ABROAD_ADDRESS)
    received(campaign, 8_000_00, YEAR - 1, email="anne@example.org", **ABROAD_ADDRESS)
    received(campaign, 20_000_00)
    nowhere = received(campaign, 11_000_00, country="FR", province="", address_line1="", city="", postal_code="")
    create_refund(nowhere, 11_000_00)
    paid_by(campaign, 30_000_00, 20, province=ABROAD, address=["1 Main Street", "Boston"])
    db.session.commit()
    found = nonresident_donors(campaign.charity, PERIOD)
    assert [(donor.name, donor.gifts, donor.largest_cents, donor.received_cents, donor.cents) for donor in found] == [
        ("Funder 20", 1, 30_000_00, 30_000_00, 30_000_00),
        (nowhere.full_name, 1, 11_000_00, 11_000_00, 0),
        (nowhere.full_name, 2, 6_000_00, 10_000_00, 10_000_00),
    ]
    page = open_page(client, path.format("", "fr")).text.replace("\u00a0", " ")
    assert ("Albany NY" in page, "États-Unis" in page, '<td data-label="Adresse">France</td>' in page, none in page) == (
        True,
        True,
        True,
        False,
    )
    sheet = list(read_workbook(open_page(client, path.format("/returns.xlsx", "fr")).data).values())[-1]
    assert [row[1] for row in sheet[1:4]] == ["1 Main Street, Boston", "France", "123, rue de l’Église, Albany NY  12207, États-Unis"]
    rows = read_csv(open_page(client, path.format("/gifts.csv", "fr")).data, separator=";")
    assert [(row[2], row[4]) for row in rows if row[13] == nowhere.public_id] == [("", "France")]
    assert [(row[2], row[4]) for row in rows if row[14] == "17"] == [("1 Main Street, Boston", "")]


def send_back(payment: FunderPayment, cents: int, reference: str) -> None:
    details = ReturnDetails(cents=cents, returned_on=payment.received_on, reference=reference)
    request = payment_actions.request_return(payment, details, actor=PLEDGERS[0], reason="r", answered=list(PaymentQuestion))
    payment_actions.decide(request, agrees=True, actor=PLEDGERS[1])


def record(client: Any, filed_on: date, **answer: str) -> Any:
    page = open_page(client, f"/staff/receipts/returns?year={YEAR}&lang=en")
    fields: dict[str, Any] = {"form": "t3010", "year": YEAR, "filed_on": filed_on.isoformat(), "reason": "by mail", **answer}
    return submit(client, page, "/staff/receipts/returns/filings", **fields)


def test_what_changed_between_filing_and_record_is_asked_once_and_named_on_the_copy(app: Flask, campaign: Campaign) -> None:
    charity, client = campaign.charity, signed_in(app, "manager")
    charity.fiscal_year_end = END
    create_pledgers()
    same, part, voided, incomplete = (received(campaign, cents) for cents in (100_00, 200_00, 300_00, 400_00))
    unpaid = start_donation(campaign, 500_00)
    for donation in (same, part, voided):
        issue_receipt(donation, now=moment_in(YEAR))
    answered, reversed_, sent_back = (
        paid_by(campaign, cents, 20 + number, is_registered_charity=False) for number, cents in enumerate((600_00, 700_00, 900_00))
    )
    send_back(sent_back, 100_00, "1")
    db.session.commit()
    moment = datetime.now(UTC)
    assert filing_changes.changes_until_now(charity, PERIOD, moment) == []
    lifecycle.replace(same, IssueContext(now=datetime.now(UTC), links=Links("http://127.0.0.1:8000")), EndReason.LOST, actor=ACTOR, note="")
    create_refund(part, 50_00)
    issue_receipt(part)
    receipt = issue_receipt(voided)
    assert receipt
    lifecycle.void(receipt, actor=ACTOR, note="")
    issue_receipt(incomplete)
    pay(unpaid, at=moment_in(YEAR))
    create_refund(received(campaign, 30_00), 30_00)
    db.session.commit()
    details = {"is_registered_charity": True, "registration_number": "123456782RR0001"}
    funder_actions.change_details(payments.funder_of(answered), details, actor=ACTOR, void_reason="r")
    request = payment_actions.request_reversal(reversed_, actor=PLEDGERS[0], reason="r", answered=list(PaymentQuestion))
    payment_actions.decide(request, agrees=True, actor=PLEDGERS[1])
    send_back(sent_back, 300_00, "2")
    expected = [
        (Change.AMOUNT, part.public_id, 200_00, 150_00, -50_00),
        (Change.ENDED, voided.public_id, 300_00, 300_00, 300_00),
        (Change.ISSUED, incomplete.public_id, 400_00, 400_00, 400_00),
        (Change.RECORDED, unpaid.public_id, 0, 500_00, 500_00),
        (Change.ANSWERED, "", 600_00, 600_00, 600_00),
        (Change.AMOUNT, "", 700_00, 0, -700_00),
        (Change.AMOUNT, "", 800_00, 500_00, -300_00),
    ]

    def shown(changed: list[filing_changes.GiftThen]) -> list[tuple[Change, str, int, int, int]]:
        return [(gift.change, gift.donation, gift.cents_then, gift.cents_now, gift.changed_cents) for gift in changed]

    assert shown(filing_changes.changes_until_now(charity, PERIOD, moment)) == expected
    asked = record(client, today() - timedelta(days=1))
    assert (asked.status_code, db.session.query(FiledReturn).count()) == (422, 0)
    assert all(part_ in asked.text for part_ in ("Recorded only afterwards (7 gifts, $2,550.00)", 'value="may_differ"', 'value="by mail"'))
    copy = record(client, today() - timedelta(days=1), answered="may_differ").location
    filed = db.session.query(FiledReturn).one()
    page = open_page(client, copy).text
    assert ("Recorded only afterwards (7 gifts, $2,550.00)" in page, "Figures as of" in page) == (True, True)
    create_refund(same, 10_00)
    db.session.commit()
    assert shown(filing_changes.changes_before_record(charity, filed, moment)) == expected, "what changed since the record is another list"
    assert record(client, today()).location, "nothing is asked of a return that was filed today"
    assert not [finding for finding in checker.findings(db.engine) if "copy" in finding]
