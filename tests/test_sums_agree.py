"""What one page, document, message or file says of a sum, all others say too, with covered fees and partial refunds."""

import csv
import io
import json
from datetime import date
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import create_funder_link
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching import effects
from campaign.matching.funds import Fund
from campaign.reporting import donation_history, statement_actions
from campaign.reporting import totals as reporting
from campaign.texts.donation_timeline import TimelineKind
from tests.conftest import Post
from tests.factories import create_refund, paid, reversal_decision
from tests.mail import body_of, pdf_text
from tests.sheets import read_workbook
from tests.web import signed_in


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def newest_mail(post: Post) -> str:
    _, _, message, _ = next(iter(post.box.newest(1)))
    return plain(body_of(message, "plain"))


@pytest.mark.parametrize(("cents", "back", "left"), [(103_30, "$103.30", 0), (51_65, "$51.65", 50_00)])
def test_what_went_back_to_a_donor_is_one_sum_everywhere(
    app: Flask, client: FlaskClient, campaign: Campaign, post: Post, cents: int, back: str, left: int
) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=3_30)
    send_jobs.send_due()
    create_refund(donation, cents)
    db.session.commit()
    send_jobs.send_due()
    page = plain(client.get(f"/en/donations/{donation.token}").text)
    with app.app_context():  # Who is signed in belongs to the context.
        staff = plain(signed_in(app, "viewer").get(f"/staff/donations/{donation.public_id}").text)
    fee = {0: "$3.30", 50_00: "$1.65"}[left]
    assert f"{back} was refunded, {fee} of it for the processing fee." in page
    assert f"{back} was refunded, {fee} of it for the processing fee." in staff
    assert f"<dd>{back}</dd>" in page
    assert "The gift of $100 was paid, with $3.30 for the processing fee." in page
    assert f"We are refunding {back} of your gift" in newest_mail(post)
    assert client.get(f"/en/donations/{donation.token}.json").get_json()["net_cents"] == left
    french = plain(client.get(f"/fr/donations/{donation.token}").text)
    assert (
        f"La somme de {back[1:].replace('.', ',')} $ a été remboursée, dont {fee[1:].replace('.', ',')} $ de frais de traitement." in french
    )
    assert "Le don de 100 $ a été payé, avec 3,30 $ de frais de traitement." in french


def reverse(donation: Donation, *reversals_: tuple[str, int], cause: str) -> None:
    """Record these reversals, refunds or lost disputes by their names, for one cause."""
    for name, cents in reversals_:
        kind = "dispute" if name.startswith("dp") else "refund"
        effects.decide_and_apply(donation, reversal_decision(donation, cents, kind=kind, name=name, cause=cause))
    db.session.commit()


def sums_of(donation: Donation) -> list[tuple[str, int, int]]:
    """The kinds of the payments and reversals in the history of a donation, with the cents of the gift and of the covered fee."""
    events = [entry.event for entry in donation_history.history_of(donation, "en")]
    money = (TimelineKind.PAID, TimelineKind.REFUNDED, TimelineKind.LOST)
    return [(event.kind, event.cents, event.covered_fee_cents) for event in events if event.kind in money]


@pytest.mark.parametrize(("second", "kind"), [("re_2", TimelineKind.REFUNDED), ("dp_2", TimelineKind.LOST)])
def test_each_reversal_is_shown_with_its_own_part_of_the_fee(app: Flask, campaign: Campaign, second: str, kind: TimelineKind) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=4_00)
    reverse(donation, ("re_1", 10_40), (second, 20_80), cause="one event")
    before = [(TimelineKind.PAID, 100_00, 4_00), (TimelineKind.REFUNDED, 10_00, 40), (kind, 20_00, 80)]
    assert sums_of(donation) == before
    reverse(donation, ("re_3", 5_20), cause="one event")
    assert sums_of(donation) == [*before, (TimelineKind.REFUNDED, 5_00, 20)]


def test_a_reversal_of_a_cent_that_is_all_fee_is_shown(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=4_00)
    for number, cents in enumerate((25, 1, 26)):
        reverse(donation, (f"re_{number}", cents), cause=f"event {number}")
    assert sum(gift + fee for kind, gift, fee in sums_of(donation) if kind is TimelineKind.REFUNDED) == 52


@pytest.fixture
def gifts(campaign: Campaign) -> list[Donation]:
    """Gifts for a pledge of $50,000: one was refunded in full, one in half, one by a cent; the last was matched with what came free."""
    donations = [paid(campaign, 15_000_00, covered_fee_cents=2_00) for _ in range(4)]
    for gift, cents in zip(donations, (15_002_00, 7_501_00, 1), strict=False):
        create_refund(gift, cents)
    db.session.commit()
    return donations


def test_what_a_fund_matched_is_one_sum_everywhere(
    app: Flask, client: FlaskClient, campaign: Campaign, fund: Fund, gifts: list[Donation]
) -> None:
    end = statement_actions.take_end(fund)
    statement = statement_actions.take_statement(fund)
    sums = [client.get(f"/en/donations/{gift.token}.json").get_json()["matched_cents"] for gift in gifts]
    assert sums == [0, 7_500_00, 14_999_99, 15_000_00]
    count, cents = sum(1 for matched_cents in sums if matched_cents), sum(sums)
    assert (statement.donations, statement.matched_cents) == (count, cents)
    document = json.loads(b"".join(statement_actions.write_json(fund, end)))
    assert (document["donations"], document["matched_cents"], document["available_cents"]) == (count, cents, 50_000_00 - cents)
    content = b"".join(statement_actions.write_csv(fund, end, "en")).decode("utf-8-sig")
    last = list(csv.DictReader(io.StringIO(content)))[-1]
    assert (last["Matched"], last["Left"]) == ("37499.99", "12500.01")
    printed = plain(pdf_text(statement_actions.get_or_render_pdf(fund, end, "en", is_test=True)))
    assert "Matched $0.00 $37,499.99 $37,499.99" in printed
    assert "Left $0.00 $12,500.01 $12,500.01" in printed
    assert "Gifts matched 0 3 3" in printed
    client.get(f"/funder/links/{create_funder_link(fund).rpartition('/')[2]}")
    db.session.commit()
    report = plain(client.get("/funder/?lang=en").text)
    assert "3 gifts matched" in report
    assert "$37,499.99" in report
    sheets = read_workbook(client.get("/funder/report.xlsx?lang=en", follow_redirects=True).data)
    assert list(sheets) == ["About this file", "Summary", "Days", "Rules", "Lines"]
    assert (sheets["Days"][-1][:2], sheets["Days"][-1][4], type(sheets["Days"][1][0])) == (["Total", count], Decimal(cents) / 100, date)
    totals = reporting.totals_of(campaign.slug)
    assert totals is not None
    assert totals.matched_cents == cents
    assert client.get(f"/api/campaigns/{campaign.slug}").get_json()["match"] == {
        "pledged_cents": 50_000_00, "matched_cents": cents, "held_cents": 0, "available_cents": 50_000_00 - cents,
    }  # fmt: skip
    with app.app_context():
        assert "$37,499.99" in plain(signed_in(app, "viewer").get("/staff/").text)
