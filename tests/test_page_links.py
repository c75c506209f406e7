"""Links to the pages of donors: the database alone opens none, they can be renewed, and a rotation of SECRET_KEY ends none of them."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.config import Settings
from campaign.donations.donations import PERSON_FIELDS, Donation, donation_by_token, new_public_id
from campaign.edges.db import db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.page_tokens import Page, derive_page_token, is_page_token, public_id_in
from campaign.edges.sealed_text import UnknownKey, seal, unseal
from campaign.edges.secret_keys import SecretKeys
from campaign.mail import compose, deliver_jobs, send_jobs
from campaign.outbox import deliveries, messages
from campaign.outbox.message_kinds import MessageKind
from campaign.recurring import page_links
from campaign.recurring.recurring_gifts import RecurringGift, recurring_gift_by_token
from campaign.staff import audit
from tests.conftest import Post, Stripe
from tests.factories import paid
from tests.mail import last_email, text_of
from tests.stripe import advance_months, start_recurring
from tests.web import app_with, grant_access, signed_in

OLD = "the first secret of this test: 0123456789"
NEW = "another secret of this test: 9876543210"
KEYS = SecretKeys(secret=OLD)
STATUS = "/en/donations/{}.json"


def tables_with(needle: str) -> list[str]:
    """The tables of the database that have this text anywhere, as text or as bytes."""
    names = db.session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")).all()
    wanted = {"clear": f"%{needle}%", "bytes": f"%{needle.encode().hex()}%"}
    query = "SELECT count(*) FROM {} t WHERE t::text LIKE :clear OR t::text LIKE :bytes"
    return [name for name in names if db.session.scalar(text(query.format(name)), wanted)]


def test_after_a_monthly_gift_with_its_events_and_emails_no_table_has_the_tokens_of_its_pages(
    app: Flask, stripe: Stripe, post: Post
) -> None:
    donation = start_recurring(app, stripe)
    advance_months(stripe)
    send_jobs.send_due()
    gift = db.session.query(RecurringGift).one()
    assert f"/monthly/{gift.token}" in text_of(last_email(post, donation)), "the email has it"
    assert db.session.scalar(text("SELECT count(*) FROM stripe_event WHERE type = 'checkout.session.completed'"))
    assert (tables_with(donation.token), tables_with(gift.token)) == ([], [])
    audit.record("somebody", "wrote it down", donation.token)
    audit.record("somebody", "wrote it down", token_hash(gift.token).hex())
    db.session.flush()
    assert tables_with(donation.token) == ["audit_entry"], "the control: it is found where it is"


def test_a_token_opens_its_own_page_in_its_own_version_by_a_known_key_alone() -> None:
    public_id = new_public_id()
    token = derive_page_token(KEYS, Page.DONATION, public_id, 1)
    assert (public_id_in(token), is_page_token(token, KEYS, Page.DONATION, version=1)) == (public_id, True)
    assert is_page_token(token, SecretKeys(secret=NEW, fallbacks=(OLD,)), Page.DONATION, version=1)
    assert not is_page_token(token, SecretKeys(secret=NEW), Page.DONATION, version=1)
    assert not is_page_token(token, KEYS, Page.RECURRING_GIFT, version=1)
    assert not is_page_token(token, KEYS, Page.DONATION, version=2)


@pytest.mark.parametrize("wrong", ["", "x", "=" * 36, "é" * 36, "a" * 35, "a" * 37, "a" * 36, "\x00" * 36, "-" * 36, "💙" * 36])
def test_what_is_no_token_opens_nothing(app: Flask, wrong: str) -> None:
    assert donation_by_token(wrong) is None
    assert recurring_gift_by_token(wrong) is None


def test_each_letter_of_a_token_counts(campaign: Campaign) -> None:
    token = paid(campaign, 100_00).token
    changed = [token[:at] + ("A" if character != "A" else "B") + token[at + 1 :] for at, character in enumerate(token)]
    assert [donation_by_token(other) for other in changed] == [None] * len(token)


def test_a_donor_renews_their_links_and_gets_the_new_one_by_email(app: Flask, client: FlaskClient, campaign: Campaign, post: Post) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation, other = paid(campaign, 100_00, email="owner@example.org"), paid(campaign, 50_00, email="owner@example.org")
    strangers = paid(campaign, 25_00, email="stranger@example.org")
    db.session.commit()
    old = [donation.token, other.token, strangers.token]
    assert client.post(f"/en/donations/{old[0]}/links").status_code == 403, "first a mailed link"
    grant_access(client, donation)
    assert client.post(f"/en/donations/{old[0]}/links").location == f"/en/donations/{donation.token}#done"
    assert [client.get(STATUS.format(token)).status_code for token in old] == [404, 404, 200]
    assert client.get(STATUS.format(donation.token)).status_code == 200
    send_jobs.send_due()
    assert f"/donations/{donation.token}" in text_of(last_email(post, donation))


def test_staff_renew_the_links_of_a_monthly_gift_too_and_it_is_audited(app: Flask, client: FlaskClient, stripe: Stripe) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    donation = start_recurring(app, stripe)
    advance_months(stripe)
    gift = db.session.query(RecurringGift).one()
    old = gift.token
    for role, status in (("viewer", 403), ("clerk", 303)):
        with app.app_context():
            member = signed_in(app, role, address=f"{role}@example.org")
            assert member.post(f"/staff/donations/{donation.public_id}/links").status_code == status
    db.session.expire_all()
    assert [client.get(f"/en/monthly/{token}").status_code for token in (old, gift.token)] == [404, 200]
    assert db.session.query(audit.AuditEntry).filter_by(action="renewed the links of a donor", actor="clerk@example.org").count() == 1


def test_a_link_from_before_versions_works_until_the_links_are_renewed(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    donation, former = paid(campaign, 100_00), "of-32-letters-as-they-used-to-be"
    db.session.execute(update(Donation).where(Donation.id == donation.id).values(former_token_hash=token_hash(former)))
    db.session.commit()
    assert client.get(STATUS.format(former)).status_code == 200
    page_links.renew_links(donation.donor_id)
    db.session.commit()
    assert client.get(STATUS.format(former)).status_code == 404


@pytest.mark.parametrize(
    ("rotates", "end_links", "statuses"), [(True, [], (200, 200)), (True, ["--end-links"], (404, 404)), (False, [], (404, 404))]
)
def test_after_the_command_the_old_key_may_go_and_links_in_earlier_emails_work(
    settings: Settings, rotates: bool, end_links: list[str], statuses: tuple[int, int]
) -> None:
    with app_with(settings, OLD) as old:
        campaign = db.session.query(Campaign).one()
        donation = paid(campaign, 100_00)
        gift = RecurringGift(
            **{name: getattr(donation, name) for name in ("email", *PERSON_FIELDS)},
            donation_id=donation.id,
            amount_cents=1,
            covered_fee_cents=0,
        )
        gift.status, gift.snapshot_number = "active", 1
        db.session.add(gift)
        db.session.commit()
        pages = (STATUS.format(donation.token), f"/en/monthly/{gift.token}")
        assert [old.test_client().get(page).status_code for page in pages] == [200, 200]
    with app_with(settings, NEW, OLD) as both:
        if rotates:
            assert both.test_cli_runner().invoke(main.campaign, ["rotate-secret-key", *end_links]).exit_code == 0
            assert both.test_cli_runner().invoke(main.campaign, ["rotate-secret-key"]).exit_code == 0, "again, which brings back none"
        if not end_links:
            assert [both.test_client().get(page).status_code for page in pages] == [200, 200]
    with app_with(settings, NEW) as new:
        assert tuple(new.test_client().get(page).status_code for page in pages) == statuses


def test_an_email_is_encrypted_and_one_that_nobody_has_is_composed_again_when_its_key_has_gone(
    settings: Settings, post: Post, campaign: Campaign
) -> None:
    with app_with(settings, OLD):
        donation = paid(db.session.query(Campaign).one(), 100_00)
        message = db.session.query(messages.OutboxMessage).filter_by(donation_id=donation.id, kind=MessageKind.RECEIPT).one()
        compose.prepare_receipts(message)
        content = compose.compose(message)
        assert content
        frozen = deliver_jobs.freeze(message, content)
        assert (frozen.plain, frozen.html) == (content.plain, content.html)
        assert tables_with("Thank you for your gift of") == []
        db.session.commit()
    with app_with(settings, NEW) as new:
        found = deliveries.email_of(message.id)
        assert found is not None
        assert not found.is_readable
        shown = signed_in(new, "viewer").get(f"/staff/mail/{message.id}")
        assert "encrypted with an earlier SECRET_KEY" in shown.text
        send_jobs.send_due()
        assert "Thank you for your gift of" in text_of(last_email(post, db.session.get_one(Donation, donation.id)))


def test_a_text_is_read_with_the_keys_that_are_known_and_not_when_it_was_changed() -> None:
    sealed = seal(KEYS, "À Sanâa")
    assert unseal(SecretKeys(secret=NEW, fallbacks=(OLD,)), sealed) == "À Sanâa"
    for keys, changed in ((SecretKeys(secret=NEW), sealed), (KEYS, sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(UnknownKey, match="SECRET_KEY_FALLBACKS"):
            unseal(keys, changed)
