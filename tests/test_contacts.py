"""Contact details belong to the person: a correction is for this gift, for what comes later, or both, and a new address moves the donor."""

import re
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donors
from campaign.donations.donations import Donation
from campaign.donations.donors import ANNUAL, Donor
from campaign.edges.db import db
from campaign.mail import mail_actions, send_jobs
from campaign.matching.holds import DonorMatch
from campaign.receipts import receipt_actions, receipts
from campaign.recurring import contact_changes, contacts, recurring_gifts
from campaign.recurring.contacts import EmailTaken, Scope
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting.integrity import checker
from campaign.reporting.totals import totals_of
from campaign.schedule import schedule_jobs
from campaign.texts.action_errors import ActionRefused
from tests.conftest import Post, Stripe
from tests.factories import another_campaign, paid, pay, run_concurrently, start_donation
from tests.mail import make_due, text_of
from tests.stripe import advance_months, start_recurring
from tests.web import CORRECTED, SLUG, grant_access, hidden_fields, signed_in

MOVED = {**CORRECTED, "last_name": "Moved", "province": "QC", "postal_code": "H7A 1A1"}


@pytest.fixture
def first(app: Flask, stripe: Stripe) -> Donation:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    return donation


def gift_of(donation: Donation) -> RecurringGift:
    db.session.expire_all()
    gift = recurring_gifts.recurring_gift_of(donation)
    assert gift
    return gift


def months_of(donation: Donation) -> list[Donation]:
    """The months, oldest first."""
    return recurring_gifts.instalments_of(gift_of(donation))[::-1]


@pytest.mark.parametrize(
    ("scope", "this", "later"), [("this_gift", "Moved", "old"), ("from_now_on", "old", "Moved"), ("both", "Moved", "Moved")]
)
def test_a_corrected_name_is_for_this_gift_for_later_months_or_for_both(
    app: Flask, stripe: Stripe, first: Donation, scope: str, this: str, later: str
) -> None:
    old = first.last_name
    receipt_actions.correct_details(first, MOVED, actor="clerk@example.org", reason="moved", scope=Scope(scope), is_same_donor=True)
    advance_months(stripe)
    names = [old if name == "old" else name for name in (this, later)]
    assert [month.last_name for month in months_of(first)] == names
    receipt = receipts.receipt_of(first.id)
    assert receipt
    assert receipt.content["donor_name"].endswith(names[0])
    with pytest.raises(ActionRefused):
        receipt_actions.correct_details(first, MOVED, actor="clerk@example.org", reason="again", scope=Scope(scope))
    assert checker.findings(db.engine) == []


def test_a_corrected_address_is_not_undone_by_the_next_month_and_makes_no_second_donor(
    app: Flask, stripe: Stripe, first: Donation, post: Post
) -> None:
    donors.set_receipt_preference(first.donor_id, ANNUAL)
    db.session.commit()
    before = db.session.query(Donor).count()
    mail_actions.correct_email(first, "New@example.org", actor="clerk@example.org", scope=Scope.BOTH)
    advance_months(stripe, 2)
    assert {month.email for month in months_of(first)} == {"New@example.org"}
    assert {month.donor_id for month in months_of(first)} == {first.donor_id}
    assert db.session.query(Donor).count() == before
    assert donors.wants_annual_receipt(first.donor_id), "the choice goes with the donor"
    assert recurring_gifts.recurring_gifts_of("new@example.org") == [gift_of(first)], "so does the link to manage it"
    assert recurring_gifts.recurring_gifts_of("sanaa@example.org") == []
    totals = totals_of(SLUG)
    assert totals
    assert (totals.donations, totals.donors) == (3, 1)
    assert checker.findings(db.engine) == []


def test_an_address_for_this_gift_alone_leaves_the_donor_where_they_are(app: Flask, stripe: Stripe, first: Donation) -> None:
    mail_actions.correct_email(first, "assistant@example.org", actor="clerk@example.org")
    advance_months(stripe)
    assert [month.email for month in months_of(first)] == ["assistant@example.org", "sanaa@example.org"]
    assert len({month.donor_id for month in months_of(first)}) == 1


def test_what_was_corrected_of_one_gift_is_shown_with_no_other(app: Flask, campaign: Campaign) -> None:
    corrected, other = (paid(campaign, 50_00, email=f"{name}@example.org") for name in ("corrected", "other"))
    mail_actions.correct_email(corrected, "new@example.org", actor="clerk@example.org", scope=Scope.BOTH)
    db.session.commit()
    assert [change.new["email"] for change, _ in contact_changes.list_changes(corrected)] == ["new@example.org"]
    assert contact_changes.list_changes(other) == [], "neither has a monthly gift"


def test_the_cap_of_a_donor_follows_them_to_another_address(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(500_00, like=campaign, per_donor_cents=60_00)
    first = paid(own, 50_00, email="old@example.org")
    db.session.commit()
    mail_actions.correct_email(first, "new@example.org", actor="clerk@example.org", scope=Scope.BOTH)
    second = paid(own, 50_00, email="new@example.org")
    db.session.commit()
    assert second.donor_id == first.donor_id
    assert db.session.query(DonorMatch).filter_by(donor_id=first.donor_id).one().cents == 60_00
    assert start_donation(own, 50_00, email="old@example.org").donor_id != first.donor_id, "what somebody typed earlier is nobody's now"
    db.session.rollback()
    assert checker.findings(db.engine) == []


def test_an_address_of_another_donor_is_refused_and_nothing_changes(app: Flask, campaign: Campaign) -> None:
    first, another = paid(campaign, 10_00, email="one@example.org"), paid(campaign, 10_00, email="two@example.org")
    db.session.commit()
    with pytest.raises(EmailTaken):
        mail_actions.correct_email(first, "Two@example.org", actor="clerk@example.org", scope=Scope.FROM_NOW_ON)
    db.session.rollback()
    app.config["WTF_CSRF_ENABLED"] = False
    client = signed_in(app, "clerk")
    answer = client.post(f"/staff/donations/{first.public_id}/email", data={"email": "two@example.org", "scope": "both"})
    assert (answer.status_code, "Another donor has this address" in answer.text, 'value="two@example.org"' in answer.text) == (
        422,
        True,
        True,
    )
    db.session.expire_all()
    assert (first.email, another.email, db.session.query(Donor).count()) == ("one@example.org", "two@example.org", 2)


def test_staff_choose_what_a_correction_is_for(app: Flask, stripe: Stripe, first: Donation) -> None:
    client = signed_in(app, "clerk")
    with app.app_context():
        page = client.get(f"/staff/donations/{first.public_id}/person")

    assert re.search(r'value="both" checked', page.text), [line for line in page.text.splitlines() if "scope" in line]
    data = {
        **MOVED,
        "name_change": "same_donor",
        "reason": "moved",
        "scope": "from_now_on",
        "csrf_token": hidden_fields(page)["csrf_token"],
    }
    with app.app_context():
        assert client.post(f"/staff/donations/{first.public_id}/person", data=data).status_code == 303
    assert (gift_of(first).last_name, first.last_name) == ("Moved", "D'Arcy-Lévesque")
    with app.app_context():
        page = client.get(f"/staff/donations/{first.public_id}?lang=en")
    assert "Last name (later months)</span> D&#39;Arcy-Lévesque → <strong>Moved</strong>" in page.text


def test_a_donor_changes_the_address_of_later_months_and_gets_an_email_about_it(
    app: Flask, stripe: Stripe, first: Donation, post: Post, earlier_mail: int
) -> None:
    client, path = app.test_client(), f"/en/monthly/{gift_of(first).token}/address"
    assert client.get(path).status_code == 403
    grant_access(client, first)
    with app.app_context():  # Each request has a context of its own, with the token of its client.
        page = client.get(path)
    token = {"csrf_token": hidden_fields(page)["csrf_token"]}
    assert "D&#39;Arcy-Lévesque" in page.text
    with app.app_context():
        wrong = client.post(path, data={**MOVED, **token, "postal_code": "nowhere"})
    assert (wrong.status_code, "Moved" in wrong.text) == (422, True)
    with app.app_context():
        answer = client.post(path, data={**MOVED, **token})

    assert answer.status_code == 303
    advance_months(stripe)
    assert [month.last_name for month in months_of(first)] == ["D'Arcy-Lévesque", "Moved"]
    make_due()
    send_jobs.send_due()
    bodies = [body for to, body in new_mail(post, earlier_mail) if to == "sanaa@example.org"]
    assert any("The name or postal address of your monthly gift has changed" in body for body in bodies)


@pytest.fixture(autouse=True)
def earlier_mail(post: Post) -> int:
    """How many messages of other tests the mailbox has."""
    return len(list(post.box.newest(10_000)))


def new_mail(post: Post, earlier: int) -> list[tuple[str, str]]:
    """The recipient and the text of each message of this test, newest first."""
    count = len(list(post.box.newest(10_000))) - earlier
    return [(to[0], text_of(message)) for _, to, message, _ in post.box.newest(count)] if count else []


def link_to(post: Post, address: str) -> str:
    send_jobs.send_due()
    bodies = [text_of(message) for _, to, message, _ in post.box.newest(50) if to == [address]]
    found = [path for body in bodies for path in re.findall(r"/en/email/[0-9a-f]{64}", body)]
    assert found
    return str(found[0])


@pytest.fixture
def donor(app: Flask, campaign: Campaign) -> Donation:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = paid(campaign, 100_00, email="old@example.org")
    db.session.commit()
    return donation


def ask_for_email(client: FlaskClient, donation: Donation, email: str) -> int:
    return client.post(f"/en/donations/{donation.token}/email", data={"email": email}).status_code


def test_a_donor_confirms_another_address_at_both(app: Flask, client: FlaskClient, donor: Donation, post: Post, earlier_mail: int) -> None:
    assert ask_for_email(client, donor, "new@example.org") == 403, "first at the old one"
    grant_access(client, donor)
    assert ask_for_email(client, donor, "new@example.org") == 303
    link = link_to(post, "new@example.org")
    assert client.get(link).status_code == 200
    db.session.expire_all()
    assert donor.email == "old@example.org", "opening the link changes nothing"
    assert "Your address is changed" in client.post(link).text
    db.session.expire_all()
    assert (donor.email, db.session.get_one(Donor, donor.donor_id).email) == ("new@example.org", "new@example.org")
    assert client.post(link).status_code == 404
    send_jobs.send_due()
    shown = {"old@example.org": "n•••@example.org", "new@example.org": "new@example.org"}
    informed = {to for to, body in new_mail(post, earlier_mail) if f"From now on, email about your gifts goes to {shown.get(to)}." in body}
    assert informed == set(shown)
    assert checker.findings(db.engine) == []


def test_an_address_that_is_no_address_or_another_donors_changes_nothing(
    app: Flask, client: FlaskClient, campaign: Campaign, donor: Donation, post: Post
) -> None:
    paid(campaign, 10_00, email="another@example.org")
    db.session.commit()
    grant_access(client, donor)
    ask_for_email(client, donor, "nobody")
    assert "does not look like an email address" in client.get(f"/en/donations/{donor.token}").text
    ask_for_email(client, donor, "another@example.org")
    answer = client.post(link_to(post, "another@example.org"))
    assert (answer.status_code, "There are other gifts under this address" in answer.text) == (409, True)
    db.session.expire_all()
    assert donor.email == "old@example.org"


def test_a_link_to_confirm_an_address_expires_and_cannot_be_asked_for_without_end(client: FlaskClient, donor: Donation, post: Post) -> None:
    grant_access(client, donor)
    for _ in range(contacts.MAX_CHANGES_PER_DAY + 2):
        ask_for_email(client, donor, "new@example.org")
    assert db.session.query(contacts.EmailChange).count() == contacts.MAX_CHANGES_PER_DAY
    link = link_to(post, "new@example.org")
    db.session.execute(text("UPDATE email_change SET created_at = created_at - interval '49 hours'"))
    db.session.commit()
    assert client.post(link).status_code == 404


def test_links_that_change_all_gifts_go_to_the_donor_and_not_to_the_address_of_one_gift(
    client: FlaskClient, donor: Donation, post: Post, earlier_mail: int
) -> None:
    mail_actions.correct_email(donor, "assistant@example.org", actor="clerk@example.org")
    client.post(f"/en/donations/{donor.token}/access")
    assert "o•••@example.org" in client.get(f"/en/donations/{donor.token}").text
    send_jobs.send_due()
    recipients = {to for to, body in new_mail(post, earlier_mail) if "/en/access/" in body}
    assert recipients == {"old@example.org"}


def test_of_two_people_who_share_an_address_one_changes_only_their_own_gift(app: Flask, stripe: Stripe, first: Donation) -> None:
    second = start_recurring(app, stripe, first_name="Sam", last_name="Roy", amount="30")
    schedule_jobs.poll_stripe()
    client, path = app.test_client(), f"/en/monthly/{gift_of(second).token}/address"
    grant_access(client, second)
    with app.app_context():
        token = hidden_fields(client.get(path))["csrf_token"]
    with app.app_context():
        assert client.post(path, data={**MOVED, "csrf_token": token}).status_code == 303
    assert (gift_of(second).last_name, gift_of(first).last_name) == ("Moved", "D'Arcy-Lévesque")
    other = {**MOVED, "last_name": "Other"}
    receipt_actions.correct_details(first, other, actor="clerk@example.org", reason="moved", scope=Scope.BOTH, is_same_donor=True)
    assert (gift_of(second).last_name, gift_of(first).last_name) == ("Moved", "Other")


def test_a_correction_of_a_gift_in_another_name_leaves_the_monthly_gift_alone(
    app: Flask, stripe: Stripe, campaign: Campaign, first: Donation
) -> None:
    of_organization = paid(campaign, 50_00, email=first.email, organization="ACME")
    db.session.commit()
    receipt_actions.correct_details(
        of_organization,
        {"organization": "ACME Inc."},
        actor="clerk@example.org",
        reason="its name",
        scope=Scope.BOTH,
        is_same_donor=True,
    )
    assert (gift_of(first).organization, of_organization.organization) == ("", "ACME Inc.")


def test_an_older_link_to_confirm_an_address_ends_with_a_newer_one(client: FlaskClient, donor: Donation, post: Post) -> None:
    grant_access(client, donor)
    ask_for_email(client, donor, "mistyped@example.org")
    older = link_to(post, "mistyped@example.org")
    ask_for_email(client, donor, "right@example.org")
    assert client.post(link_to(post, "right@example.org")).status_code == 200
    assert client.post(older).status_code == 404
    db.session.expire_all()
    assert donor.email == "right@example.org"


def test_what_was_mailed_to_the_old_address_changes_nothing_once_the_donor_has_another(
    client: FlaskClient, donor: Donation, post: Post, earlier_mail: int
) -> None:
    client.post(f"/en/donations/{donor.token}/access")
    send_jobs.send_due()
    bodies = [body for to, body in new_mail(post, earlier_mail) if to == "old@example.org"]
    (mailed,) = [path for body in bodies for path in re.findall(r"/en/access/[0-9a-f]{64}", body)]
    grant_access(client, donor)
    mail_actions.correct_email(donor, "new@example.org", actor="clerk@example.org", scope=Scope.BOTH)
    assert client.post(mailed).status_code == 404
    assert ask_for_email(client, donor, "thief@example.org") == 403, "also in a browser that was let in before"


def test_two_donors_who_confirm_one_address_at_once_are_not_both_given_it(app: Flask, campaign: Campaign) -> None:
    ids = [paid(campaign, 10_00, email=f"{name}@example.org").donor_id for name in ("one", "two")]
    db.session.commit()

    def move(donor_id: int) -> bool:
        try:
            contacts.change_email(donor_id, "wanted@example.org")
        except EmailTaken:
            db.session.rollback()
            return False
        db.session.commit()
        return True

    assert sorted(run_concurrently(app, [lambda: move(ids[0]), lambda: move(ids[1])])) == [False, True]


def test_a_change_of_address_and_payments_of_the_donor_do_not_wait_for_each_other(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(500_00, like=campaign, per_donor_cents=400_00)
    donations = [start_donation(own, 5_00, email="busy@example.org") for _ in range(24)]
    db.session.commit()
    donor_id, ids = donations[0].donor_id, [donation.id for donation in donations]

    def settle(donation_id: int) -> None:
        pay(db.session.get_one(Donation, donation_id))
        db.session.commit()

    def move(number: int) -> None:
        contacts.change_email(donor_id, f"busy{number}@example.org")
        db.session.commit()

    tasks = [partial(settle, donation_id) for donation_id in ids] + [partial(move, number) for number in range(12)]
    run_concurrently(app, [task for pair in zip(tasks[:18], tasks[18:], strict=True) for task in pair])
    assert checker.findings(db.engine) == []
