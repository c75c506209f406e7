"""What each thing that is owed comes to when its time has come: the letter to write by the books as they are now, or none any more."""

from collections.abc import Callable
from contextlib import suppress

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import funder_payments, mails, matches, money_back, monthly, receipting, receipts
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.donors import wants_yearly
from campaign.giving.funder_payments import FunderPayment
from campaign.giving.funds import Fund, Funder
from campaign.giving.mails import Letter
from campaign.giving.outbox import OutboxItem
from campaign.giving.receipts import CannotIssue, Receipt
from campaign.giving.staff import Staff
from campaign.giving.standing import standing
from campaign.letters import funders, gifts, months, staff
from campaign.letters import receipts as about_receipts
from campaign.reporting import lives, needs
from campaign.rules import match_of_a_gift
from campaign.work.documents import issuing


def settle(item: OutboxItem) -> None:
    """Bring the receipts that the letter will speak of in line with the books. The caller commits before anything is written or rendered.

    Raises CannotIssue when a receipt is due that would lack something; whoever is told of a refund is told in any case.
    """
    match item.kind:
        case "receipt" | "receipt_again":
            receipting.settle(_donation(item), issuing())
        case "money_back":
            with suppress(CannotIssue), db.session.begin_nested():
                receipting.settle(_donation(item), issuing())
        case "funder_payment":
            funder_payments.settle(_payment(item), issuing())


def compose(item: OutboxItem) -> Letter | None:
    """The letter by the books as they are now; None when there is nothing to say any more."""
    return _ACTS[item.kind](item)


def _donation(item: OutboxItem) -> Donation:
    """Locked, so that two letters about one gift are written one after the other: a receipt goes with one of them."""
    assert item.donation_id is not None
    (donation,) = lock_donations([item.donation_id])
    return donation


def _outcome(donation: Donation) -> str:
    return match_of_a_gift.outcome(lives.match_now(donation, standing(donation), donation.language), donation.language)


def _thanks_with_receipt(item: OutboxItem) -> Letter | None:
    """A gift that was returned before gets no thanks and no receipt; a receipt that goes out with other news is not sent twice."""
    donation = _donation(item)
    receipt = receipts.receipt_of(donation.id)
    is_yearly = wants_yearly(donation.donor_id) if receipt is None else receipt.content.get("received_in") is not None
    if money_back.kept_of(donation) == 0 or (receipt is not None and mails.is_in_a_mail(receipt)):
        return None
    return gifts.thanks(
        donation,
        page_url=page_url(donation),
        outcome=_outcome(donation),
        receipt=None if is_yearly else receipt,
        monthly_url=monthly_url(donation),
        address_url=_address_url(donation),
        is_yearly=is_yearly,
    )


def _acknowledgement(item: OutboxItem) -> Letter | None:
    donation = _donation(item)
    return gifts.thanks(
        donation,
        page_url=page_url(donation),
        outcome=_outcome(donation),
        receipt=None,
        monthly_url=monthly_url(donation),
        address_url=_address_url(donation),
    )


def _address_url(donation: Donation) -> str:
    """Where the donor can give what their receipt lacks; empty when it lacks nothing of theirs."""
    return f"{page_url(donation)}/address" if lacks_details(donation) else ""


def lacks_details(donation: Donation) -> bool:
    """Whether the donor could give what their receipt lacks: a name, an address."""
    return not donation.full_name or len(donation.address_lines) < 2


def _money_went_or_came_back(item: OutboxItem) -> Letter | None:
    """What went or came back, and what that made of the match and the receipt."""
    donation = _donation(item)
    _, stripe_id, turns = item.key.split(":")
    row = money_back.money_back_named(stripe_id)
    receipt, ended = _news_of_receipts(donation)
    news = {"page_url": page_url(donation), "outcome": _outcome(donation)}
    if int(turns) % 2:
        is_dispute = row.kind == "dispute"
        return about_receipts.money_went_back(donation, cents=row.cents, is_dispute=is_dispute, receipt=receipt, ended=ended, **news)
    return about_receipts.money_came_back(donation, cents=row.cents, receipt=receipt, ended=ended, **news)


def _news_of_receipts(donation: Donation) -> tuple[Receipt | None, Receipt | None]:
    """The receipt that was not sent yet, and the one that stands no more for it. One for several gifts is replaced by one without this."""
    last = receipts.last_receipt_of(donation.id)
    if last is None:
        return None, None
    if receipts.end_of(last) is not None:
        instead = receipts.replacement_of(last)
        return None if instead is None or mails.is_in_a_mail(instead) else instead, last
    if mails.is_in_a_mail(last):
        return None, None
    return last, db.session.get(Receipt, last.replaces_id) if last.replaces_id else None


def _receipt_again(item: OutboxItem) -> Letter | None:
    donation = _donation(item)
    receipt = receipts.receipt_of(donation.id)
    if receipt is not None:
        is_first = not mails.is_in_a_mail(receipt)
        return about_receipts.receipt_again(donation, page_url=page_url(donation), receipt=receipt, is_first=is_first)
    last = receipts.last_receipt_of(donation.id)
    return about_receipts.receipt_cancelled(donation, page_url=page_url(donation), receipt=last) if last else None


def _yearly_receipt(item: OutboxItem) -> Letter | None:
    """The receipt of the year, if it stands as it was issued; one that was replaced since went out with that news."""
    donation, issued = _donation(item), int(item.key.partition(":")[2])
    receipt = receipts.receipt_of(donation.id)
    if receipt is None or receipt.id != issued or mails.is_in_a_mail(receipt):
        return None
    return about_receipts.yearly(donation, page_url=page_url(donation), receipt=receipt)


def _match_healed(item: OutboxItem) -> Letter | None:
    """What the match has come to by now; nothing when a refund has taken it away meanwhile."""
    donation = _donation(item)
    matched, (healed, funds) = matches.match_of(donation.id).matched_cents, lives.healed_by(donation, donation.language)
    if not matched or not healed:
        return None
    more = min(healed, matched)
    return gifts.match_healed(donation, page_url=page_url(donation), matched_cents=matched, more_cents=more, fund_name=funds)


def _payment_failed(item: OutboxItem) -> Letter | None:
    """Nothing when the gift was paid after all."""
    donation = _donation(item)
    if donation.paid_at is not None:
        return None
    again = f"{outside().settings.base_url}/{donation.language}/{donation.campaign.slug}?again={donation.token}#give"
    return gifts.payment_failed(donation, again_url=again)


def _about_months(item: OutboxItem) -> Letter | None:
    """A month that could not be charged, unless it was by now; the end of the monthly gift; the link to its page."""
    donation = _donation(item)
    gift = monthly.monthly_gift_of(donation)
    if gift is None or (item.kind == "monthly_failed" and monthly.is_paid(item.key.partition(":")[2])):
        return None
    match item.kind:
        case "monthly_failed":
            return months.month_failed(donation, gift, page_url=monthly_url(donation))
        case "monthly_stopped":
            return months.monthly_stopped(donation, gift, page_url=monthly_url(donation))
        case _:
            return months.monthly_link(donation, page_url=monthly_url(donation))


def _funder_payment(item: OutboxItem) -> Letter | None:
    """Thanks, with the receipt when one was issued; nothing when there is nobody to write to."""
    payment = _payment(item)
    receipt, funder = funder_payments.receipt_of(payment), funder_payments.funder_of(payment)
    campaign = db.session.get_one(Campaign, db.session.get_one(Fund, payment.fund_id).campaign_id)
    if not funder.email or (receipt is None and not funder.is_registered_charity):
        return None
    return funders.money_received(payment, funder, campaign, receipt=receipt)


def _payment(item: OutboxItem) -> FunderPayment:
    return db.session.get_one(FunderPayment, int(item.key.partition(":")[2]))


def _fund_matched(item: OutboxItem) -> Letter | None:
    """Nothing when a refund has freed some of it meanwhile."""
    fund = db.session.get_one(Fund, int(item.key.split(":")[1]), populate_existing=True)
    funder, campaign = db.session.get_one(Funder, fund.funder_id), db.session.get_one(Campaign, fund.campaign_id)
    if fund.matched_cents < fund.pledged_cents or not funder.email:
        return None
    return funders.pledge_is_matched(fund, funder, campaign, is_test=outside().settings.is_sandbox)


def _staff_notice(item: OutboxItem) -> Letter | None:
    """What needs a person as of now; nothing when all was seen to."""
    member, campaign = db.session.get(Staff, int(item.key.split(":")[3])), default_campaign()
    if member is None or campaign is None:
        return None
    counted = needs.of_campaign(campaign).counted
    if not counted:
        return None
    settings = outside().settings
    url = f"{settings.base_url}/staff/"
    return staff.needs_a_person(counted, recipient=member.email, charity=campaign.charity, url=url, is_test=settings.is_sandbox)


_ACTS: dict[str, Callable[[OutboxItem], Letter | None]] = {
    "receipt": _thanks_with_receipt,
    "acknowledgement": _acknowledgement,
    "receipt_again": _receipt_again,
    "money_back": _money_went_or_came_back,
    "funder_payment": _funder_payment,
    "fund_matched": _fund_matched,
    "staff_notice": _staff_notice,
    "yearly_receipt": _yearly_receipt,
    "healed": _match_healed,
    "payment_failed": _payment_failed,
    "monthly_failed": _about_months,
    "monthly_stopped": _about_months,
    "monthly_link": _about_months,
}


def page_url(donation: Donation) -> str:
    """The donor's own page, as links from outside name it."""
    return f"{outside().settings.base_url}/{donation.language}/donations/{donation.token}"


def monthly_url(donation: Donation) -> str:
    """The page of the monthly gift that the donation is a month of; empty for one that is given once."""
    gift = monthly.monthly_gift_of(donation)
    return f"{outside().settings.base_url}/{donation.language}/monthly/{gift.token}" if gift else ""
