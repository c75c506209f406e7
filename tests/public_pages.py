"""Every page that donors see, with its states, for tests of all of them: which route it is of, how to come there, and the gifts it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import text

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import debits
from campaign.donations import shared_messages
from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import news_token
from campaign.edges.db import db
from campaign.outbox import donor_access
from campaign.outbox.donor_access import DonorAccess, Opens
from campaign.payments import checkouts
from campaign.receipts.receipts import Receipt
from campaign.recurring import contacts
from campaign.recurring.contacts import EmailChange
from campaign.recurring.recurring_gifts import RecurringGift, recurring_gift_of
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.factories import (
    another_campaign,
    checkout_context,
    create_refund,
    donation_details,
    end,
    issue_receipt,
    paid,
    pay,
    payment_of,
    start_donation,
)
from tests.offline_gifts import cheque, reversed_gift
from tests.stripe import sessions, start_debit, start_recurring
from tests.wall import agree, consent, retained, show
from tests.web import FORM, SLUG

OWNER = FORM["email"]
# Public routes that answer no page: files, pictures, data, redirects, and what machines ask. Reports by email are for funders.
NO_PAGES = {
    *("campaigns.home", "campaigns.quote", "shared_files.picture", "shared_files.poster", "pictures.picture", "widget.badge"),
    *("logos.logo", "portraits.portrait"),
    *("donation_page.data", "donation_page.proof", "card_page.pdf", "receipt_page.pdf", "receipt_page.certificates", "my_gifts.receipt"),
    *("api.campaign", "api.proof", "api.stream", "openapi.document", "health.alive", "health.ready"),
    *("site_map.robots", "site_map.site_map", "site_map.security_txt", "site_map.favicon"),
    *("funder_report.enter", "funder_reports.by_mail", "funder_statements.verifier"),
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page in one of its states. With `has_access` the browser came by a link that was mailed; `act` leads to the state once the page is open."""

    endpoint: str
    state: str
    path: str
    has_access: bool = False
    act: Callable[[Page], None] | None = None

    def __str__(self) -> str:
        return f"{self.endpoint} {self.state}"


def press(selector: str) -> Callable[[Page], None]:
    """Press this button and wait for the page after it."""

    def act(page: Page) -> None:
        with page.expect_navigation():
            page.locator(selector).first.click()

    return act


def _refuse_gift(page: Page) -> None:
    page.locator("#amount").fill("30")
    page.locator("#next").click() if page.locator("#next").is_visible() else None
    press(".pay .submit")(page)
    expect(page.locator("#errors")).to_be_visible()


def _preview_card(page: Page) -> None:
    page.locator("#recipient_name").fill("Léa")
    page.locator("#recipient_email").fill("lea@reader.example")
    press("form.panel[method=post] button")(page)
    expect(page.locator("blockquote")).to_be_visible()


def gifts_in_all_states(app: Flask, stripe: Stripe, campaign: Campaign, language: str) -> dict[str, Donation]:
    """A gift in each state, all of one donor, by the name of the state."""
    debit, failed = start_debit(app, stripe, language), start_debit(app, stripe, language)
    debits.end_debit(stripe.account, sessions(stripe)[0], succeeded=False)
    monthly = start_recurring(app, stripe, language)
    schedule_jobs.poll_stripe()
    own: dict[str, Any] = {"email": OWNER, "language": language}
    tribute = {"tribute_kind": "honour", "tribute_name": "Ana Roy"}
    wall = retained(campaign, consent("Jeanne"), province="QC", **tribute, **own)
    agree(wall)
    show(wall)
    shared = checkouts.start_checkout(
        campaign, donation_details(message="Merci!\nCourage", news_consent=True, **own), checkout_context(shares_message=True)
    )
    pay(shared)
    gifts = {name: paid(campaign, 100_00, expected=100_00, **own) for name in ("paid", "refunded", "in part", "disputed", "lost")}
    for name in ("paid", "refunded", "in part"):
        issue_receipt(gifts[name])
    create_refund(gifts["refunded"], 100_00)
    create_refund(gifts["in part"], 40_00)
    for name in ("refunded", "in part"):
        issue_receipt(gifts[name])
    create_refund(gifts["disputed"], 100_00, kind="dispute", status="needs_response")
    create_refund(gifts["lost"], 100_00, kind="dispute")
    quarantined = start_donation(campaign, 100_00, **own)
    pay(quarantined, amount_cents=payment_of(quarantined).amount_cents - 1)
    expired = start_donation(campaign, 31_00, **own)
    end(expired, "expired")
    returned = cheque(campaign, 55_00, **own)
    reversed_gift(returned, OfflineReversalKind.RETURNED)
    gifts |= {"wall": wall, "shared": shared, "processing": debit, "failed": failed, "monthly": monthly, "expired": expired}
    gifts |= {"quarantined": quarantined, "waiting": paid(campaign, 20_00, **own), "pending": start_donation(campaign, 32_00, **own)}
    gifts |= {"offline": cheque(campaign, 45_00, **own), "returned": returned}
    gifts["without address"] = paid(campaign, 50_00, address_line1="", city="", province="", postal_code="", **own)
    gifts["undeclared"] = paid(campaign, 60_00, organization="Cycle Ltd.", is_declared=False, first_name="", last_name="", **own)
    gifts["ended monthly"] = start_recurring(app, stripe, language, amount="25")
    schedule_jobs.poll_stripe()
    db.session.commit()
    assert shared_messages.find_of(shared)
    return gifts


def _links(gift: Donation) -> tuple[str, str]:
    """The tokens of a link to all gifts, and of one that confirms another address."""
    assert donor_access.request_access(gift, Opens.MY_GIFTS) and contacts.request_email_change(gift, "another@reader.example")
    db.session.commit()
    access = db.session.query(DonorAccess).order_by(DonorAccess.id.desc()).limit(1).one()
    return donor_access.token_of(access), contacts.token_of(db.session.query(EmailChange).one())


def _monthly(gift: Donation, **changed: Any) -> RecurringGift:
    found = recurring_gift_of(gift)
    assert found
    for name, value in changed.items():
        setattr(found, name, value)
    db.session.commit()
    return found


def pages(app: Flask, stripe: Stripe, campaign: Campaign, language: str) -> list[Shown]:
    """Every page in its states, in the order in which they may be opened: each leaves those after it as they are."""
    gifts = gifts_in_all_states(app, stripe, campaign, language)
    over, quiet = (another_campaign(500_00, like=campaign) for _ in range(2))
    campaign_actions.close_to_gifts(over, actor="manager@example.org")
    late = _monthly(gifts["monthly"], status="past_due")
    ended = _monthly(gifts["ended monthly"], status="canceled", ended_at=gifts["paid"].received_at)
    return [
        *_of_campaigns(f"/{language}", over.slug, quiet.slug, gifts["expired"].token),
        *_of_gifts(f"/{language}", gifts),
        *_of_receipts(f"/{language}", gifts),
        *_of_monthly(f"/{language}", late.token, ended.token),
        *_of_all_gifts(f"/{language}", gifts["paid"]),
    ]


def _of_campaigns(root: str, over: str, quiet: str, again: str) -> list[Shown]:
    page, wrong = f"{root}/{SLUG}", _refuse_gift
    texts = [Shown(endpoint="charity_pages.page", state=kind, path=f"{page}/{kind}") for kind in ("accessibility", "refunds", "terms")]
    return [
        Shown(endpoint="campaigns.page", state="open", path=page),
        Shown(endpoint="campaigns.page", state="again, monthly", path=f"{page}?again={again}&frequency=monthly"),
        Shown(endpoint="campaigns.page", state="with errors", path=page, act=wrong),
        Shown(endpoint="campaigns.page", state="without gifts", path=f"{root}/{quiet}"),
        Shown(endpoint="campaigns.page", state="over", path=f"{root}/{over}"),
        Shown(endpoint="wall.page", state="with gifts", path=f"{page}/gifts"),
        Shown(endpoint="wall.page", state="empty", path=f"{root}/{quiet}/gifts"),
        *texts,
        Shown(endpoint="privacy_page.page", state="first", path=f"{root}/privacy"),
        Shown(endpoint="privacy_page.of_campaign", state="of a campaign", path=f"{page}/privacy"),
        Shown(endpoint="widget.widget", state="open", path=f"/embed/{SLUG}?lang={root[1:]}"),
        Shown(endpoint="widget.widget", state="over", path=f"/embed/{over}?lang={root[1:]}"),
        Shown(endpoint="", state="not found", path=f"{root}/nothing/here/at/all"),
    ]


def _of_gifts(root: str, gifts: dict[str, Donation]) -> list[Shown]:
    of = {name: f"{root}/donations/{gift.token}" for name, gift in gifts.items()}
    changeable = ("paid", "in part", "wall", "shared", "without address", "undeclared", "monthly")
    asked = press("form.panel[action$=access] button")
    return [
        *(Shown(endpoint="donation_page.page", state=name, path=path) for name, path in of.items() if name != "ended monthly"),
        *(Shown(endpoint="donation_page.page", state=f"{name}, changeable", path=of[name], has_access=True) for name in changeable),
        Shown(endpoint="donation_page.page", state="a link is asked for", path=of["paid"], act=asked),
        Shown(endpoint="wall_choice.choose", state="first", path=f"{of['wall']}/wall", has_access=True),
        Shown(endpoint="wall_choice.choose", state="without access", path=f"{of['wall']}/wall"),
        Shown(endpoint="card_page.page", state="without access", path=f"{of['wall']}/cards"),
        Shown(endpoint="card_page.page", state="first", path=f"{of['wall']}/cards", has_access=True),
        Shown(
            endpoint="card_page.page",
            state="errors",
            path=f"{of['wall']}/cards",
            has_access=True,
            act=press("form.panel[method=post] button"),
        ),
        Shown(endpoint="card_page.page", state="preview", path=f"{of['wall']}/cards", has_access=True, act=_preview_card),
    ]


def _of_receipts(root: str, gifts: dict[str, Donation]) -> list[Shown]:
    address = f"{root}/donations/{gifts['without address'].token}/address"
    ends = text("SELECT coalesce(e.ended_as, 'valid'), r.check_code FROM receipt r LEFT JOIN receipt_end e ON e.receipt_id = r.id")
    codes = {str(row[0]): str(row[1]) for row in db.session.execute(ends)}
    assert db.session.query(Receipt).count() >= 3
    return [
        Shown(endpoint="receipt_page.address", state="first", path=address, has_access=True),
        Shown(endpoint="receipt_page.address", state="errors", path=address, has_access=True, act=press("form.panel button")),
        *(Shown(endpoint="receipt_page.check", state=state, path=f"{root}/receipts/check/{code}") for state, code in sorted(codes.items())),
        Shown(endpoint="receipt_page.check", state="unknown", path=f"{root}/receipts/check/nothing"),
    ]


def _of_monthly(root: str, late: str, ended: str) -> list[Shown]:
    page, address = f"{root}/monthly/{late}", f"{root}/monthly/{late}/address"

    def clear(page: Page) -> None:
        page.locator("#city").fill("")
        press("form.panel button")(page)

    def change_too_little(page: Page) -> None:
        page.locator("#amount").fill("1")
        press("form[action$=amount] button")(page)

    return [
        Shown(endpoint="recurring_page.page", state="without access", path=page),
        Shown(endpoint="recurring_page.page", state="changeable, late", path=page, has_access=True),
        Shown(endpoint="recurring_page.page", state="wrong amount", path=page, has_access=True, act=change_too_little),
        Shown(endpoint="recurring_page.page", state="ended", path=f"{root}/monthly/{ended}"),
        Shown(endpoint="recurring_page.ask_for_link", state="first", path=f"{root}/monthly"),
        Shown(endpoint="contact_page.address", state="first", path=address, has_access=True),
        Shown(endpoint="contact_page.address", state="errors", path=address, has_access=True, act=clear),
    ]


def _of_all_gifts(root: str, gift: Donation) -> list[Shown]:
    access, email = _links(gift)
    page, news = f"{root}/my-gifts", f"{root}/news/{news_token(gift)}"

    def ask(page: Page) -> None:
        page.locator("#email").fill("nobody@example")
        press("main form button")(page)

    return [
        Shown(endpoint="my_gifts.page", state="first", path=page),
        Shown(endpoint="my_gifts.page", state="wrong address", path=page, act=ask),
        Shown(endpoint="my_gifts.page", state="all gifts", path=page, has_access=True),
        Shown(endpoint="donor_access.use", state="first", path=f"{root}/access/{access}"),
        Shown(endpoint="donor_access.use", state="unknown", path=f"{root}/access/{'0' * 64}"),
        Shown(endpoint="contact_page.confirm_email", state="first", path=f"{root}/email/{email}"),
        Shown(endpoint="contact_page.confirm_email", state="unknown", path=f"{root}/email/{'0' * 64}"),
        Shown(endpoint="contact_page.confirm_email", state="confirmed", path=f"{root}/email/{email}", act=press("main button")),
        Shown(endpoint="news_page.withdraw", state="first", path=news),
        Shown(endpoint="news_page.withdraw", state="done", path=news, act=press("main button")),
    ]
