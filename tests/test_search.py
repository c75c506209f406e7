"""The search of staff: names without accents, email addresses, amounts, numbers of ours and of Stripe, and what each kind leads to."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select, text

from campaign.campaigns.campaigns import Campaign
from campaign.donations import search_words
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.balance import StripeBalanceTransaction
from campaign.receipts import donor_merge_actions
from campaign.reporting import donation_filters, search, search_terms
from campaign.reporting.donation_filters import DonationFilters, TributeFilter
from campaign.stripe_sync import balance_transactions
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.inbox import StripeEvent
from campaign.stripe_sync.payouts import Payout
from tests.factories import balance_transaction_of, confirm_charity, create_refund, issue_receipt, paid, start_donation
from tests.web import open_page, signed_in

SEARCH = "/staff/search"


def names_found(typed: str, language: str = "en") -> set[str]:
    condition = search_terms.is_found(typed, language)
    return set() if condition is None else {gift.last_name for gift in db.session.query(Donation).filter(condition)}


def test_names_are_found_without_accents_and_case_by_the_beginnings_of_their_words(campaign: Campaign) -> None:
    people = {
        "Tremblay": ("Hélène", ""),
        "D’Arcy-Lévesque": ("Zoë", "Coopérative de l’Œuf"),
        "Nguyễn": ("Đặng", ""),
        "Straße": ("Ömer", ""),
    }
    for last_name, (first_name, organization) in people.items():
        paid(
            campaign, first_name=first_name, last_name=last_name, organization=organization, email=f"{first_name[0]}.x@example.org".lower()
        )
    finds = {
        "helene tremb": {"Tremblay"},
        "TREMBLAY, Hélène": {"Tremblay"},
        "tremb hel": {"Tremblay"},
        "d'arcy": {"D’Arcy-Lévesque"},
        "darcy": {"D’Arcy-Lévesque"},
        "levesque d arcy": {"D’Arcy-Lévesque"},
        "darc": {"D’Arcy-Lévesque"},
        "levesque zoe": {"D’Arcy-Lévesque"},
        "cooperative oeuf": {"D’Arcy-Lévesque"},
        "nguyen": {"Nguyễn"},
        "strasse": {"Straße"},
        "elene": set(),
        "helene roy": set(),
        "' | \\ & ! :* (": set(),
        "%": set(),
    }
    assert {typed: names_found(typed) for typed in finds} == finds


def test_addresses_amounts_and_numbers_find_their_gifts(campaign: Campaign) -> None:
    confirm_charity()
    gift = paid(campaign, 1_234_56, last_name="Tremblay", email="Helene.Tremblay@example.org")
    paid(campaign, 50_00, covered_fee_cents=1_84, last_name="Roy", email="roy@example.org")
    start_donation(campaign, 1_234_56, last_name="Begun", email="begun@example.org")
    receipt = issue_receipt(gift)
    create_refund(gift, 10_00, name="re_first")
    charge: StripeBalanceTransaction = balance_transaction_of(gift)
    balance_transactions.store_transactions([charge])
    db.session.query(BalanceTransaction).update({"payout": "po_first"})
    db.session.add(
        StripeEvent(event_id="evt_1", type="charge.succeeded", subject=gift.public_id, livemode=False, body=b"{}", source="poll")
    )
    gift.checkout_id = "cs_test_1"
    db.session.commit()
    assert receipt
    of_gift = ["helene.tremblay@example.org", "HELENE.T", "helene.tremblay@", "$1,234.56", "1 234,56 $", receipt.serial, gift.public_id]
    of_gift += [f"pi_{gift.public_id}", "cs_test_1", "re_first", charge.stripe_id, str(charge.source), "po_first", "evt_1"]
    found = {typed: names_found(typed) - {"Begun"} for typed in of_gift}
    assert [typed for typed in found if found[typed] != {"Tremblay"}] == []
    assert (names_found("$51.84"), names_found("50"), names_found("99999999999999999999")) == ({"Roy"}, {"Roy"}, set())
    unknown = ["re_other", "po_other", "evt_other", "sub_1", "in_1", "d_00000000000000000000", "pi_", "cs_other", "1,234.56"]
    assert {typed: names_found(typed, "fr") for typed in unknown if typed != "1,234.56"} == {t: set() for t in unknown if t != "1,234.56"}


def test_what_names_one_object_leads_to_it(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    gift, other = paid(campaign, email="helene@example.org"), paid(campaign, email="merged@example.org")
    receipt, now = issue_receipt(gift), datetime.now(UTC)
    payout = {"currency": "CAD", "status": "paid", "reconciliation_status": "completed", "created_at": now, "arrives_at": now}
    db.session.add(Payout(stripe_id="po_1", cents=9_876_54, snapshot_number=1, **payout))
    db.session.commit()
    donor_merge_actions.merge(gift.donor_id, other.donor_id, actor="manager@example.org", reason="one person")
    assert receipt
    client, donor = signed_in(app, "viewer"), f"/staff/donors/{gift.donor_id}"
    leads_to = {
        gift.public_id: f"/staff/donations/{gift.public_id}",
        f"pi_{gift.public_id}": f"/staff/donations/{gift.public_id}",
        f" {receipt.serial.lower()} ": f"/staff/receipts/{receipt.serial}",
        "po_1": "/staff/stripe/payouts/po_1",
        "Helene@Example.org": donor,
        "merged@example.org": donor,
    }
    for typed, address in leads_to.items():
        with app.app_context():
            assert client.get(SEARCH, query_string={"q": typed}).headers.get("Location") == address, typed
    assert [payout.cents for payout in search.find_all("9876.54", "en").payouts] == [9_876_54]
    assert [one.serial for one in search.find_all(str(receipt.number), "en").receipts] == [receipt.serial]


def test_the_page_groups_what_is_found_and_says_what_can_be_searched(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 50_00, first_name="Hélène", last_name="<Tremblay>", email="helene@example.org")
    paid(campaign, 75_00, first_name="Hélène", last_name="Roy", email="helene@example.org")
    admin, viewer = signed_in(app, "admin", address="helene.admin@example.org"), signed_in(app, "viewer", address="viewer@example.org")
    page = open_page(admin, f"{SEARCH}?q=helene").text
    assert [part in page for part in (f'href="/staff/donors/{gift.donor_id}"', f'href="/staff/donations/{gift.public_id}"')] == [True, True]
    assert page.count(f'href="/staff/donors/{gift.donor_id}"') == 1, "a donor once, with two gifts"
    assert ("&lt;Tremblay&gt;" in page, "helene.admin@example.org" in page.partition("<h1>")[2]) == (True, True)
    assert "helene.admin@example.org" not in open_page(viewer, f"{SEARCH}?q=helene").text
    assert "Sanâa and Richard" in open_page(viewer, f"{SEARCH}?q=sanaa").text
    for typed in ("", "   ", "nothing-of-this", "%00", "' OR 1=1 --", "a" * 5000, "é" * 300, "😀"):
        with app.app_context():
            answer = viewer.get(SEARCH, query_string={"q": typed})
        assert (answer.status_code, "You can search for:" in answer.text) == (200, True), typed


@pytest.mark.parametrize("typed", ["helene tremb", "$1,234.56"])
def test_a_search_reads_its_index_and_not_all_gifts(campaign: Campaign, typed: str) -> None:
    condition = search_terms.is_found(typed, "en")
    assert condition is not None
    query = select(Donation.id).where(condition).compile(db.engine)
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    rows = db.session.connection().exec_driver_sql(f"EXPLAIN {query}", query.params)
    plan = " ".join(row[0] for row in rows)
    assert ("ix_donation_search_words" in plan, "Seq Scan" in plan) == (True, False), plan


def test_tributes_are_found_by_their_words_and_pages_by_what_people_call_them_in_both_languages(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign, 50_00, last_name="Roy", tribute_kind="memory", tribute_name="Hélène <Côté>")
    paid(campaign, 60_00, last_name="Other", tribute_name="Helene Cote")
    client = signed_in(app, "clerk")
    page = open_page(client, f"{SEARCH}?q=helene+cot").text.partition("<h1>")[2]
    assert f'<a href="/staff/donations/{gift.public_id}">In memory of Hélène &lt;Côté&gt;</a>' in page
    assert "Other" not in page, "it has no tribute: what was typed before the choice is no name"
    assert 'href="/staff/donations?tribute_name=helene+cot"' in page

    def pages(typed: str, language: str = "en") -> list[str]:
        found = open_page(client, f"{SEARCH}?lang={language}&q={typed}").text
        return re.findall(r'href="([^"]+)"', found.partition('id="found-1">Pages<')[2].partition("</section>")[0])

    finds = {
        "deposit slip": ["/staff/offline-gifts/deposits"],
        "bordereau": ["/staff/offline-gifts/deposits"],
        "T3010": ["/staff/receipts/returns"],
        "tp-985.22": ["/staff/receipts/returns"],
        "close a month": ["/staff/money/months"],
        "FERMER le mois": ["/staff/money/months"],
        "cloture": ["/staff/money/months"],
        "invite": [],
        "22": [],
        "le": [],
    }
    assert {typed: pages(typed) for typed in finds} == finds, "a clerk invites nobody"
    assert (pages("deposit slip", "fr"), pages("roy")) == (["/staff/offline-gifts/deposits"], [])
    assert pages("inviter") == []
    admin = signed_in(app, "admin", address="admin@example.org")
    assert 'href="/staff/members"' in open_page(admin, f"{SEARCH}?q=inviter").text.partition("<h1>")[2]


def test_a_search_for_a_tribute_and_a_list_of_tributes_read_their_indexes(campaign: Campaign) -> None:
    condition = search_words.is_in_tribute("helene cote")
    assert condition is not None
    is_listed = donation_filters.conditions_of(DonationFilters(tribute=TributeFilter.ANY), ZoneInfo("America/Toronto"))
    newest = select(Donation.id).where(*is_listed).order_by(Donation.received_at.desc(), Donation.id.desc()).limit(50)
    db.session.execute(text("SET LOCAL enable_seqscan = off"))
    db.session.execute(text("SET LOCAL enable_sort = off"))
    for query, index in ((select(Donation.id).where(condition), "ix_donation_tribute_words"), (newest, "ix_donation_tribute ")):
        compiled = query.compile(db.engine)
        plan = " ".join(row[0] for row in db.session.connection().exec_driver_sql(f"EXPLAIN {compiled}", compiled.params))
        assert index in plan, plan


def test_gifts_with_the_very_words_are_enough_when_there_are_many_of_them(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, last_name in enumerate(("Royer", "Roy", "Roy", "Royal")):
        paid(campaign, first_name="Ana", last_name=last_name, email=f"r{number}@example.org")

    def found(typed: str) -> list[str]:
        return sorted(gift.last_name for gift in search.find_all(typed, "en").gifts)

    assert [found(typed) for typed in ("roy", "roy ana", "an ro")] == [["Roy", "Roy", "Royal", "Royer"]] * 3
    monkeypatch.setattr(search, "WALKED", 2)
    assert (found("roy"), found("ana roy"), len(found("an ro"))) == (["Roy", "Roy"], ["Roy", "Roy"], 2)
    shown = [db.session.scalar(text(f"SHOW {setting}")) for setting in ("gin_fuzzy_search_limit", "enable_seqscan")]
    assert shown == ["0", "on"], "other searches find all that has several words"
