"""What donors without an email address get by post: receipts, and letters about receipts on paper that are cancelled or replaced."""

import re
from pathlib import Path

from babel.messages.pofile import read_po
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import mail_actions, posted_notices, send_jobs
from campaign.matching.funds import Fund
from campaign.receipts import donor_merge_actions, posted_receipt_actions, posted_receipts, receipt_actions, receipts
from campaign.receipts.receipts import Receipt
from campaign.reporting import staff_todo
from campaign.reporting.integrity import checker
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.staff.audit import AuditEntry
from tests.conftest import Post
from tests.factories import another_charity, create_refund, issue_receipt, paid, today
from tests.mail import last_email, make_due, pdf_text, text_of
from tests.offline_gifts import CLERK, cheque, reversed_gift
from tests.web import open_page, signed_in, submit

ROOT = Path(__file__).resolve().parents[1]
PATH = "/staff/offline-gifts/receipts"


def send_all() -> None:
    make_due()
    send_jobs.send_due()
    db.session.expire_all()


def on_paper(donation: Donation) -> Receipt:
    """The receipt of the gift, posted."""
    send_all()
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    posted_receipt_actions.mark_posted(receipt, actor=CLERK)
    return receipt


def waiting(campaign: Campaign) -> tuple[list[str], list[str]]:
    """The serials of the receipts and of the letters to post, which are counted."""
    found = tuple(
        [receipt.serial for receipt in listed(campaign.charity, limit=9)]
        for listed in (posted_receipts.list_to_post, posted_receipts.list_notices_to_post)
    )
    assert staff_todo.todo_of(campaign).to_post == posted_receipts.count_to_post(campaign.charity) == sum(map(len, found))
    return found[0], found[1]


def test_whoever_has_a_receipt_on_paper_is_written_to_when_it_is_replaced_and_when_it_is_cancelled(
    app: Flask, campaign: Campaign, fund: Fund
) -> None:
    gift = cheque(campaign, email="", first_name="Luc")
    first = on_paper(gift)
    assert waiting(campaign) == ([], [])
    reversed_gift(gift, OfflineReversalKind.REFUNDED, 30_00)
    send_all()
    second = receipts.receipt_of(gift.id)
    assert second and waiting(campaign) == ([second.serial], [])
    client = signed_in(app, "clerk")
    page = open_page(client, PATH)
    assert f"Letter: it replaces receipt {first.serial} (PDF)" in page.text
    said = pdf_text(open_page(client, f"{PATH}/{second.serial}/letter.pdf").data)
    assert "Dear Luc," in said and gift.address_lines[0] in said and "We have refunded $30 of your gift" in said
    assert f"no. {first.serial}, which showed $100.00, is cancelled and replaced by no. {second.serial}, which is enclosed" in said
    assert "It was replaced because money was returned to you" in said and "$70 of matching" in said
    assert "attached" not in said and "answer this email" not in said
    submit(client, page, f"{PATH}/{second.serial}/postings")
    assert "is marked as posted" in open_page(client, PATH).text and waiting(campaign) == ([], [])
    # Then the bank returns the cheque: the second one, which is the one on paper now, is cancelled.
    reversed_gift(gift, OfflineReversalKind.RETURNED)
    send_all()
    assert waiting(campaign) == ([], [second.serial])
    page = open_page(client, PATH)
    assert f"Letter: receipt {second.serial} is cancelled (PDF)" in page.text
    said = pdf_text(open_page(client, f"{PATH}/{second.serial}/letter.pdf").data)
    assert "did not honour the payment of $100" in said and "Before we knew that, we refunded $30" in said
    assert f"Official receipt no. {second.serial}, which showed $70.00, is cancelled. Please do not use it for your taxes." in said
    assert open_page(client, f"{PATH}/{first.serial}/letter.pdf").status_code == 404, "the second letter said that it was replaced"
    for _ in range(2):
        submit(client, page, f"{PATH}/{second.serial}/letters")
        assert waiting(campaign) == ([], []) and f"Letter about {second.serial}" in open_page(client, PATH).text
    submit(client, page, f"{PATH}/{second.serial}/letters/undo")
    assert waiting(campaign) == ([], [second.serial])
    done = [entry.action for entry in db.session.query(AuditEntry).filter_by(subject=second.serial).order_by(AuditEntry.id)]
    assert [action for action in done if action != "exported"] == [
        "posted a receipt",
        "posted a letter about a receipt",
        "took back that a letter about a receipt was posted",
    ]
    # What was posted is that of the charity alone.
    other = another_charity()
    assert posted_receipts.list_posted(other, limit=9) == [] != posted_receipts.list_posted(campaign.charity, limit=9)
    assert checker.findings(db.engine) == []


def test_the_letter_is_about_the_receipt_that_the_donor_has_whatever_came_between(campaign: Campaign, fund: Fund) -> None:
    gift = cheque(campaign, email="", language="fr")
    first = on_paper(gift)
    second = receipt_actions.correct_details(gift, {"address_line1": "9, rue Neuve"}, actor=CLERK, reason="moved")
    send_all()
    assert second and waiting(campaign) == ([second.serial], [])
    reversed_gift(gift, OfflineReversalKind.REFUNDED)
    send_all()
    assert waiting(campaign) == ([], [first.serial]), "the second one never left the office"
    said = pdf_text(posted_notices.render_notice(first))
    assert "9, rue Neuve" in said and f"{first.serial}" in said and f"{second.serial}" not in said and "remboursé" in said
    posted_receipt_actions.mark_notice_posted(first, actor=CLERK)
    assert waiting(campaign) == ([], [])


def test_an_email_names_the_receipt_on_paper_whatever_came_between(campaign: Campaign, fund: Fund, post: Post) -> None:
    gift = cheque(campaign, email="")
    first = on_paper(gift)
    second = receipt_actions.correct_details(gift, {"address_line1": "9 New St"}, actor=CLERK, reason="moved")
    send_all()
    reversed_gift(gift, OfflineReversalKind.REFUNDED, 30_00)
    send_all()
    third = receipts.receipt_of(gift.id)
    assert second and third
    said_by_post = pdf_text(posted_notices.render_notice(third))
    assert "address was corrected" not in said_by_post, "that is not why the amount is another"
    mail_actions.correct_email(gift, "luc@example.org", actor=CLERK)
    send_all()
    said = text_of(last_email(post, gift))
    assert first.serial in said and third.serial in said and second.serial not in said
    assert waiting(campaign) == ([], [])


def test_what_was_mailed_to_another_donor_during_a_merge_is_not_with_this_one(campaign: Campaign, fund: Fund, post: Post) -> None:
    gift, other = cheque(campaign, email=""), cheque(campaign, email="another@example.org")
    first = on_paper(gift)
    reversed_gift(gift, OfflineReversalKind.REFUNDED, 30_00)
    send_all()
    second = receipts.receipt_of(gift.id)
    assert second and waiting(campaign) == ([second.serial], [])
    merge = donor_merge_actions.merge(other.donor_id, gift.donor_id, actor=CLERK, reason="the same?")
    send_all()
    assert waiting(campaign) == ([], []), "it went by email"
    donor_merge_actions.undo(merge.id, actor=CLERK)
    send_all()
    assert waiting(campaign) == ([second.serial], []), "but to somebody else"
    reversed_gift(gift, OfflineReversalKind.REFUNDED)
    send_all()
    assert waiting(campaign) == ([], [first.serial]), "the one on paper"


def test_a_receipt_for_the_rest_that_lacks_something_follows_by_mail(campaign: Campaign, fund: Fund) -> None:
    gift = cheque(campaign, email="")
    first = on_paper(gift)
    gift.city = gift.postal_code = gift.address_line1 = ""
    db.session.commit()
    reversed_gift(gift, OfflineReversalKind.REFUNDED, 30_00)
    send_all()
    assert waiting(campaign) == ([], [first.serial])
    assert "A new receipt, for the rest of your gift, will follow by post." in pdf_text(posted_notices.render_notice(first))


def test_nobody_is_written_to_about_a_receipt_that_they_do_not_have_or_were_mailed_about(
    campaign: Campaign, fund: Fund, post: Post
) -> None:
    unposted, mailed, erased = cheque(campaign, email=""), cheque(campaign, email=""), paid(campaign)
    first = on_paper(mailed)
    reversed_gift(unposted, OfflineReversalKind.REFUNDED)
    mail_actions.correct_email(mailed, "luc@example.org", actor=CLERK)
    reversed_gift(mailed, OfflineReversalKind.REFUNDED)
    send_all()
    assert first.serial in text_of(last_email(post, mailed)) and waiting(campaign) == ([], [])
    # What an erasure leaves of a gift is as one without an address: its receipt was mailed, and is not to be posted.
    assert issue_receipt(erased)
    send_all()
    erased.email = ""
    db.session.commit()
    assert waiting(campaign) == ([], [])
    create_refund(erased, 40_00)
    send_all()
    second = receipts.receipt_of(erased.id)
    assert second and waiting(campaign) == ([second.serial], [])
    assert "which is enclosed" in pdf_text(posted_notices.render_notice(second))


def test_a_receipt_that_is_valid_or_unknown_has_no_letter(app: Flask, campaign: Campaign, fund: Fund) -> None:
    valid = on_paper(cheque(campaign, email=""))
    client = signed_in(app, "clerk")
    for number in (valid.serial, "2026-999999"):
        assert open_page(client, f"{PATH}/{number}/letter.pdf").status_code == 404
        assert submit(client, open_page(client, PATH), f"{PATH}/{number}/letters").status_code == 404


# Words that promise an email.
PROMISE = re.compile(
    r"by email|an email|[Ww]e email|are emailed|on its way|(?:is|are) (?:told|notified)|being sent|(?<!please )write to you", re.ASCII
)
# Parts of the texts with such words: of those that are said only to somebody with an address, or say what is so without one; and of those that
# promise nothing. A new text joins one of them once whoever writes it has thought of donors and funders without an address.
SAID_WITH_ADDRESS = """
This message is not a receipt.
make it and send it by email. To
make the receipt and send it by email. To
about the payment of the pledge
follow by email.
and we will write to you.
is on its way
mail you a new one
we email you a link
we email it to you
mail a link to the new address
comes by email
we emailed to you
being sent to %(email)s
gets an email about it.
gets a new one by email.
We have asked by email
get it by email again
gets the receipt by email.
to the donor by email.
We will write to you when the payment arrives
someone on our team is checking it. We will write to you
and will send it by email
we will send it by email
We will send the official receipt for this gift by email
You will also get it by email
We will email your receipt there
who have an address get an email
if there is an address
Without an address, a letter to post
by a link that we email you
The funder gets it by email:
The funder gets the document by email:
Its number stays used, and the funder is notified.
All your gifts and receipts are on one page. We email you a link to it:
We email you a link to a page with all your gifts
"""
NO_PROMISE = """
we write its content to you in an email
a card by email
Cards by email
or send it by email
Send it by email
See the email first
You will see the email first
This is the whole email
To send the card by email
cannot go out by email
that you had us send by email
have us email it to somebody
your email program
a code by email
an email to the wrong person
A link was sent by email to
If it came by email
a link comes by email
is a member of staff, a link
each email on its way to you
that an email came back
had an email sent
from an email
an email address
link in an email
Other members were notified
an email program
News by email
news by email
email is being sent again
or is being sent
still on its way
not on its way yet
or an email of the donor
Sent by email
people who do not see it are told
If money moves at Stripe later, you are told
We never send other bank details by email alone
has neither an email nor a postal address
All administrators get an email
Reports by email
reports by email
"""
WHOLE = {"an email", "by email", "on its way", "is being sent"}


def test_no_page_promises_an_email_to_somebody_without_an_address(app: Flask, campaign: Campaign, fund: Fund) -> None:
    """On the pages of a donor without one, and in the list of all texts, which a new promise must join."""
    gift = cheque(campaign, email="", organization="Club Rotary", in_own_name=True)
    lacking = cheque(campaign, email="", first_name="", last_name="", organization="Acme")
    client, donor = signed_in(app, "manager"), app.test_client()
    visited = []
    for step in ("new", "receipted", "in part", "whole"):
        if step in {"in part", "whole"}:
            page = open_page(client, f"/staff/offline-gifts/{gift.public_id}")
            fields = {"kind": "refunded", "amount": "30" if step == "in part" else "70", "day": today().isoformat(), "reason": "asked"}
            submit(client, page, f"/staff/offline-gifts/{gift.public_id}/reversals", **fields)
        if step != "new":
            send_all()
        for one in (gift, lacking):
            visited.append(open_page(donor, f"/en/donations/{one.token}"))
            paths = (f"donations/{one.public_id}", f"offline-gifts/{one.public_id}", f"donors/{one.donor_id}", "offline-gifts/receipts")
            visited += [open_page(client, f"/staff/{path}") for path in paths]
        if receipt := receipts.last_receipt_of(gift.id):
            visited.append(open_page(client, f"/staff/receipts/{receipt.serial}"))
    assert all(page.status_code == 200 for page in visited)
    promises = {text.strip() for page in visited for text in re.split("[<>]", page.text) if PROMISE.search(text)}
    assert {text for text in promises if "no email address" not in text} <= {"News by email", "Add an email address", "by email"}
    with (ROOT / "translations" / "fr" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        ids = [
            message.id if isinstance(message.id, (tuple, list)) else (message.id,) for message in read_po(file, locale="fr") if message.id
        ]
    english = [form for forms in ids for form in forms]
    known = f"{SAID_WITH_ADDRESS}{NO_PROMISE}".split("\n")
    known = [part for part in known if part]
    unknown = [text for text in english if PROMISE.search(text) and text not in WHOLE and not any(part in text for part in known)]
    assert unknown == [], "is it said to people without an address too?"
