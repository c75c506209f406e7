"""Two donors who are one person: merged by staff with all that belongs to them, and separated again, without a cent that moves wrongly."""

import random
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donor_merges
from campaign.donations.donations import Donation, donation_by_token
from campaign.donations.donor_merges import EmailWouldBeLost, NotMergeable
from campaign.donations.donors import ANNUAL, Donor, DonorMerge, donor_at, set_receipt_preference
from campaign.edges.db import db
from campaign.matching.holds import match_of
from campaign.operations import integrity_checks
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import checkouts
from campaign.receipts import donor_merge_actions
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting import totals
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.factories import another_campaign, checkout_context, create_refund, donation_details, issue_receipt, paid, pay, start_donation
from tests.offline_gifts import cheque
from tests.stripe import advance_months, start_recurring
from tests.web import open_page, signed_in, submit

PRIMARY, MERGED = "jane@example.org", "jane.roy@example.org"
CAP = 60_00


@pytest.fixture
def capped(app: Flask, campaign: Campaign) -> Iterator[Campaign]:
    """A campaign whose fund matches up to $60 for one donor."""
    own = another_campaign(500_00, like=campaign, per_donor_cents=CAP)
    db.session.commit()
    yield own
    assert checker.findings(db.engine) == []


def donor(email: str) -> Donor:
    found = donor_at(email)
    assert found
    return found


def merge() -> DonorMerge:
    return donor_merge_actions.merge(donor(PRIMARY).id, donor(MERGED).id, actor="manager@example.org", reason="the same person")


def matched(donation: Donation) -> int:
    return match_of(donation.id).matched_cents


def donors_of(campaign: Campaign) -> int:
    db.session.expire_all()
    found = totals.totals_of(campaign.slug)
    assert found
    return found.donors


def test_a_merge_moves_gifts_and_counts_nobody_loses_a_match_and_it_can_be_undone(capped: Campaign) -> None:
    first, second = paid(capped, 100_00, email=PRIMARY), paid(capped, 100_00, email=MERGED)
    db.session.commit()
    assert (matched(first), matched(second), donors_of(capped)) == (CAP, CAP, 2)

    done = merge()

    assert {first.donor_id, second.donor_id} == {donor(PRIMARY).id}
    assert (second.email, donors_of(capped)) == (PRIMARY, 1)
    assert (matched(first), matched(second)) == (CAP, CAP), "both were promised to the donor"
    third = paid(capped, 50_00, email=MERGED)
    db.session.commit()
    assert (third.donor_id, matched(third)) == (donor(PRIMARY).id, 0), "the cap is that of one person"
    assert checker.findings(db.engine) == []

    assert donor_merge_actions.undo(done.id, actor="manager@example.org")
    assert (first.donor_id, second.donor_id, third.donor_id) == (donor(PRIMARY).id, donor(MERGED).id, donor(MERGED).id)
    assert (second.email, donors_of(capped)) == (MERGED, 2)
    assert not donor_merge_actions.undo(done.id, actor="manager@example.org"), "once"


def test_what_the_cap_of_one_kept_from_two_is_matched_when_they_are_separated(capped: Campaign) -> None:
    paid(capped, 1_00, email=PRIMARY)
    paid(capped, 100_00, email=MERGED)
    db.session.commit()
    done = merge()
    waiting = paid(capped, 40_00, email=PRIMARY)
    db.session.commit()
    assert matched(waiting) == 0
    donor_merge_actions.undo(done.id, actor="manager@example.org")
    assert matched(waiting) == 40_00
    news = db.session.query(OutboxMessage).filter_by(kind=MessageKind.MATCH_INCREASED, donation_id=waiting.id)
    assert news.count() == 1


def test_what_was_held_before_a_merge_is_matched_though_both_together_have_more_than_the_cap(capped: Campaign) -> None:
    held = start_donation(capped, CAP, email=PRIMARY)
    matched_before = paid(capped, CAP, email=MERGED)
    db.session.commit()
    merge()
    assert pay(held) == "paid"
    db.session.commit()
    assert (matched(held), matched(matched_before)) == (CAP, CAP)


def test_a_gift_whose_donor_was_merged_while_it_began_has_the_cap_of_the_donor_who_was_kept(
    capped: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(capped, CAP, email=PRIMARY)
    paid(capped, 1_00, email=MERGED)
    db.session.commit()
    merge()
    found_before = donor(MERGED).id
    with monkeypatch.context() as before_the_merge:
        before_the_merge.setattr(checkouts, "get_or_create_donor_ids", lambda emails: dict.fromkeys(emails, found_before))
        begun = start_donation(capped, CAP, expected=0, email=MERGED)
    instalment = checkouts.get_or_create_donation(
        capped, donation_details(CAP, email=MERGED), checkout_context(attempt="a month"), donor_id=found_before
    )
    pay(instalment)
    db.session.commit()
    assert {begun.donor_id, instalment.donor_id} == {donor(PRIMARY).id}
    assert (match_of(begun.id).held_cents, matched(instalment)) == (0, 0)


def test_links_that_one_of_two_had_by_mail_end_when_they_are_separated(campaign: Campaign) -> None:
    gifts = [paid(campaign, 10_00, email=email) for email in (PRIMARY, MERGED)]
    db.session.commit()
    old = [gift.token for gift in gifts]
    donor_merge_actions.undo(merge().id, actor="manager@example.org")
    assert [donation_by_token(token) for token in old] == [None, None]
    renewed = db.session.query(OutboxMessage).filter_by(kind=MessageKind.LINKS_RENEWED)
    assert {message.donation_id for message in renewed} == {gift.id for gift in gifts}


def test_a_monthly_gift_and_its_later_months_go_with_the_donor_and_back(app: Flask, stripe: Stripe, campaign: Campaign) -> None:
    begun = start_recurring(app, stripe, email=MERGED)
    advance_months(stripe)
    paid(campaign, 10_00, email=PRIMARY)
    db.session.commit()
    done = merge()
    gift = db.session.query(RecurringGift).one()
    advance_months(stripe)
    months = db.session.query(Donation).filter_by(recurring_gift_id=gift.id).order_by(Donation.id).all()
    assert len(months) == 3
    assert {(month.donor_id, month.email) for month in months} == {(donor(PRIMARY).id, PRIMARY)}
    donor_merge_actions.undo(done.id, actor="manager@example.org")
    db.session.expire_all()
    assert (gift.email, db.session.get_one(Donation, begun.id).email) == (MERGED, MERGED)
    assert {(month.donor_id, month.email) for month in months} == {(donor(MERGED).id, MERGED)}, "those of the time of the merge too"
    assert checker.findings(db.engine) == []


def test_receipts_that_waited_for_the_year_come_when_the_kept_donor_wants_one_for_each_gift(campaign: Campaign) -> None:
    paid(campaign, 10_00, email=PRIMARY)
    waits = paid(campaign, 20_00, email=MERGED)
    set_receipt_preference(waits.donor_id, ANNUAL)
    db.session.commit()
    merge()
    copies = db.session.query(OutboxMessage).filter_by(kind=MessageKind.RECEIPT_COPY, donation_id=waits.id)
    assert copies.count() == 1


@pytest.mark.owner
def test_the_database_refuses_another_donor_without_a_merge(campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00, email=PRIMARY), paid(campaign, 20_00, email=MERGED)
    db.session.commit()
    move = text("UPDATE donation SET donor_id = :donor WHERE id = :id")
    with pytest.raises(IntegrityError, match="donors_are_merged"):
        db.session.execute(move, {"donor": first.donor_id, "id": second.id})
    db.session.rollback()
    db.session.execute(text("ALTER TABLE donation DISABLE TRIGGER move_donor"))
    db.session.execute(move, {"donor": first.donor_id, "id": second.id})
    db.session.execute(text("ALTER TABLE donation ENABLE TRIGGER move_donor"))
    db.session.commit()
    assert any("whether donor" in sentence for sentence in checker.findings(db.engine)), (
        "the control: without the trigger the counts are wrong"
    )


def test_a_donor_who_is_part_of_a_merge_is_not_merged_into_a_third(campaign: Campaign) -> None:
    for email in (PRIMARY, MERGED, "third@example.org"):
        paid(campaign, 10_00, email=email)
    db.session.commit()
    merge()
    primary, merged, third = donor(PRIMARY).id, donor(MERGED).id, donor("third@example.org").id
    for pair in ((third, primary), (third, merged), (merged, third), (primary, primary), (primary, merged)):
        with pytest.raises(NotMergeable):
            donor_merge_actions.merge(*pair, actor="manager@example.org", reason="no")
    donor_merge_actions.merge(primary, third, actor="manager@example.org", reason="a third address")
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_a_gift_that_came_to_the_merged_donor_meanwhile_is_moved_by_the_schedule(campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00, email=PRIMARY), paid(campaign, 20_00, email=MERGED)
    db.session.commit()
    merge()
    stray = start_donation(campaign, 5_00, email="other@example.org")
    db.session.execute(text("ALTER TABLE donation DISABLE TRIGGER move_donor"))
    db.session.execute(text("UPDATE donation SET donor_id = :donor WHERE id = :id"), {"donor": donor(MERGED).id, "id": stray.id})
    db.session.execute(text("ALTER TABLE donation ENABLE TRIGGER move_donor"))
    db.session.commit()
    schedule_jobs.run_due_work()
    db.session.expire_all()
    assert stray.donor_id == first.donor_id == second.donor_id


def test_the_next_scheduled_check_is_of_all_books(campaign: Campaign) -> None:
    paid(campaign, 10_00, email=PRIMARY)
    paid(campaign, 20_00, email=MERGED)
    db.session.commit()
    schedule_jobs.check_integrity_now()
    assert integrity_checks.verified_point() is not None
    merge()
    assert integrity_checks.verified_point() is None
    assert checker.check(db.engine, since=None).findings == []


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_gifts_refunds_merges_and_separations_leaves_sound_books(capped: Campaign, seed: int) -> None:
    dice, emails = random.Random(seed), [f"{name}@example.org" for name in "abcd"]
    gifts = [paid(capped, 20_00, email=email) for email in emails]
    for step in range(24):
        match dice.randrange(5):
            case 0 | 1:
                gifts.append(paid(capped, dice.randrange(5, 90) * 100, email=dice.choice(emails)))
            case 2:
                create_refund(dice.choice(gifts), dice.randrange(1, 5) * 100)
            case 3:
                one, other = dice.sample([donor(email).id for email in emails], 2)
                try:
                    donor_merge_actions.merge(one, other, actor="manager@example.org", reason="perhaps")
                except NotMergeable:
                    pass
            case _:
                current = db.session.query(DonorMerge).filter(DonorMerge.undone_at.is_(None)).first()
                if current:
                    donor_merge_actions.undo(current.id, actor="manager@example.org")
        db.session.commit()
        assert step % 6 or checker.findings(db.engine) == []


def test_staff_find_the_other_one_see_both_side_by_side_merge_and_undo(app: Flask, campaign: Campaign) -> None:
    first, second = paid(campaign, 10_00, email=PRIMARY), paid(campaign, 20_00, email=MERGED, last_name="Roy", first_name="Jane")
    third = paid(campaign, 30_00, email="third@example.org", last_name="Roy")
    receipt = issue_receipt(second)
    db.session.commit()
    assert receipt
    primary, merged = first.donor_id, second.donor_id
    path = f"/staff/donors/{primary}"
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    page = open_page(clerk, f"/staff/donations/{first.public_id}")
    taken = submit(clerk, page, f"/staff/donations/{first.public_id}/email", email=MERGED, scope="both")
    assert (taken.status_code, "a manager can merge" in taken.text) == (422, True)
    assert (open_page(clerk, f"{path}/merges").status_code, submit(clerk, page, f"{path}/merges", other=merged).status_code) == (403, 403)
    manager = signed_in(app, "manager", address="manager@example.org")
    page = open_page(manager, f"/staff/donations/{first.public_id}")
    sent_on = submit(manager, page, f"/staff/donations/{first.public_id}/email", email=MERGED, scope="both")
    assert sent_on.location.endswith(f"{path}/merges?other={merged}"), "the address is in no URL"
    for typed, found in (
        ("nobody", "No donor is found for"),
        (PRIMARY, "This finds the donor themselves."),
        ("roy", f"other={third.donor_id}"),
    ):
        assert found in open_page(manager, f"{path}/merges?q={typed}").text, typed
    for typed in (MERGED, "jane roy", receipt.serial, second.public_id):
        both = open_page(manager, f"{path}/merges?q={typed}").text
        assert all(words in both for words in (MERGED, PRIMARY, "$10.00", "$20.00", f'value="{primary}" checked')), typed
    page = open_page(manager, f"{path}/merges?other={merged}")
    for fields, status in (({"other": merged, "reason": ""}, 422), ({"other": "x", "reason": "x"}, 404)):
        assert submit(manager, page, f"{path}/merges", **fields).status_code == status
    done = submit(manager, page, f"{path}/merges", other=merged, keep=merged, reason="typo")
    assert done.location.endswith(f"/staff/donors/{merged}"), "the other one is kept"
    text = open_page(manager, done.location).text
    assert f"{PRIMARY} was merged into this donor by manager@example.org (typo)" in text
    assert "The donor who was kept" in open_page(manager, path).text
    (merge_done,) = donor_merges.merges_of(primary)
    page = open_page(manager, path)
    assert submit(manager, page, f"{path}/merges/{merge_done.id + 1}/undo").status_code == 404
    assert submit(manager, page, f"{path}/merges/{merge_done.id}/undo").status_code == 303
    db.session.expire_all()
    assert (first.donor_id, second.donor_id) == (primary, merged)


def test_of_two_donors_the_one_with_an_email_address_is_kept(app: Flask, campaign: Campaign) -> None:
    without, with_email = cheque(campaign, 10_00, email=""), paid(campaign, 20_00, email=PRIMARY)
    with pytest.raises(EmailWouldBeLost):
        donor_merge_actions.merge(without.donor_id, with_email.donor_id, actor="manager@example.org", reason="x")
    manager, path = signed_in(app, "manager"), f"/staff/donors/{without.donor_id}/merges"
    page = open_page(manager, f"{path}?other={with_email.donor_id}")
    assert f'value="{with_email.donor_id}" checked' in page.text
    assert re.search(rf'value="{without.donor_id}"\s*disabled', page.text)
    refused = submit(manager, page, path, other=with_email.donor_id, keep=without.donor_id, reason="x")
    assert "Keep the one with an email address" in open_page(manager, refused.location).text
    assert submit(manager, page, path, other=with_email.donor_id, keep=with_email.donor_id, reason="x").status_code == 303
    db.session.expire_all()
    assert (without.donor_id, without.email) == (with_email.donor_id, PRIMARY)
    (done,) = donor_merges.merges_of(with_email.donor_id)
    donor_merge_actions.undo(done.id, actor="manager@example.org")
    assert without.email == ""
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.LINKS_RENEWED, donation_id=without.id).count() == 0, (
        "nobody to write to"
    )
    assert checker.findings(db.engine) == []
