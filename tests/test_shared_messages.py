"""Messages that the funder may read: only with the donor's agreement and that of staff, without a name, and not a moment longer than both hold."""

from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.donations import message_actions, shared_messages
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.payments import checkouts
from campaign.privacy import person_data
from campaign.receipts import donor_merge_actions
from campaign.reporting import staff_todo
from campaign.staff.audit import AuditEntry
from tests.factories import checkout_context, create_refund, donation_details, paid, pay
from tests.web import grant_access, open_page, send, signed_in

MESSAGE, PAGE = "Merci à vous deux!\n<b>Courage</b>", "/funder/?lang=en"


def shared(campaign: Campaign, cents: int = 100_00, **changed: str) -> Donation:
    """A paid gift whose donor agreed."""
    details = donation_details(cents, message=MESSAGE, **changed)
    donation = checkouts.start_checkout(campaign, details, checkout_context(shares_message=True))
    pay(donation)
    db.session.commit()
    return donation


def open_link(client: FlaskClient, fund: Fund) -> None:
    url = access_links.create_link(fund, actor="test")
    db.session.commit()
    client.get("/" + url.split("/", 3)[3])


def test_the_box_is_not_ticked_and_the_message_is_shared_with_it_alone(client: FlaskClient, campaign: Campaign) -> None:
    page = client.get(f"/en/{campaign.slug}").text
    assert 'name="share_message"' in page
    assert "checked" not in page.partition('name="share_message"')[2].partition(">")[0]
    for fields, is_shared in (
        ({"message": "Merci"}, False),
        ({"share_message": "y"}, False),
        ({"message": "Merci", "share_message": "y"}, True),
    ):
        assert send(client, "en", **fields).status_code == 303
        donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
        assert donation
        assert (shared_messages.find_of(donation) is not None) == is_shared, fields


def test_the_funder_reads_what_both_agreed_to_and_no_longer(app: Flask, client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    gift, refunded, silent = shared(campaign), shared(campaign, 50_00), paid(campaign, message="Nobody reads this")
    db.session.commit()
    open_link(client, fund)
    assert "What donors wrote" not in client.get(PAGE).text
    assert staff_todo.todo_of(campaign).messages == 2
    viewer, clerk = signed_in(app, "viewer", address="viewer@example.org"), signed_in(app, "clerk", address="clerk@example.org")
    app.config["WTF_CSRF_ENABLED"] = False

    def decide(member: FlaskClient, donation: Donation, decision: str, back: str = "") -> tuple[int, str]:
        with app.app_context():
            path = f"/staff/donations/{donation.public_id}/message/decisions"
            answer = member.post(path, data={"decision": decision, "back": back})
            return answer.status_code, answer.location or ""

    assert "Merci à vous deux!" in open_page(viewer, "/staff/messages").text
    assert decide(viewer, gift, "agreed")[0] == 403
    assert decide(clerk, gift, "shown")[0] == 400
    assert decide(clerk, gift, "agreed", "list") == (303, "/staff/messages")
    assert (decide(clerk, refunded, "agreed")[0], decide(clerk, silent, "agreed")[0]) == (303, 303)
    assert "It is shown, as clerk@example.org decided" in open_page(viewer, f"/staff/donations/{gift.public_id}?lang=en").text
    page = client.get(PAGE).text
    assert page.count('class="thanks"') == 2
    assert "Merci à vous deux!\n&lt;b&gt;Courage" in page
    assert "Nobody reads this" not in page
    assert gift.first_name not in page
    create_refund(refunded, 50_00)
    db.session.commit()
    assert client.get(PAGE).text.count('class="thanks"') == 1, "one gift was refunded in full"
    assert message_actions.decide(gift, None, actor="clerk@example.org")
    assert "What donors wrote" not in client.get(PAGE).text
    assert message_actions.decide(gift, Decision.REFUSED, actor="clerk@example.org")
    assert not message_actions.decide(gift, Decision.REFUSED, actor="clerk@example.org")
    assert "What donors wrote" not in client.get(PAGE).text
    assert message_actions.decide(gift, Decision.AGREED, actor="clerk@example.org")
    assert "What donors wrote" in client.get(PAGE).text
    withdrawal = f"/en/donations/{gift.token}/message/withdrawals"
    donor = app.test_client()
    assert donor.post(withdrawal).status_code == 403, "the link alone changes nothing"
    grant_access(donor, gift)
    assert "Stop showing it" in donor.get(f"/en/donations/{gift.token}").text
    assert donor.post(withdrawal).status_code == 303
    assert "Stop showing it" not in donor.get(f"/en/donations/{gift.token}").text
    assert "What donors wrote" not in client.get(PAGE).text
    assert not message_actions.decide(gift, Decision.AGREED, actor="clerk@example.org"), "the donor has the last word"
    actions = [entry.action for entry in db.session.query(AuditEntry).filter_by(subject=gift.public_id).order_by(AuditEntry.id)]
    assert actions == [
        "agreed to show a message",
        "reopened whether to show a message",
        "refused to show a message",
        "agreed to show a message",
        "withdrew a message from the funder",
    ]
    assert staff_todo.todo_of(campaign).messages == 0


def test_messages_stay_with_gifts_that_are_merged_and_go_with_their_text(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    gift, other = shared(campaign, email="one@example.org"), shared(campaign, email="other@example.org")
    for one in (gift, other):
        message_actions.decide(one, Decision.AGREED, actor="clerk@example.org")
    open_link(client, fund)
    donor_merge_actions.merge(gift.donor_id, other.donor_id, actor="manager@example.org", reason="the same person")
    assert client.get(PAGE).text.count('class="thanks"') == 2, "the gifts of a merged donor still have theirs"
    assert len(person_data.all_about(gift.donor_id)["tables"]["shared_message"]) == 2
    gift.message = other.message = ""
    db.session.commit()
    assert "What donors wrote" not in client.get(PAGE).text
