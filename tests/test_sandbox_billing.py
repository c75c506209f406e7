"""The Stripe sandbox's products, subscriptions and invoices are as Stripe's: objects of their own, in no reliable order, in every state."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe as library

from campaign.devstack.sandbox import clock, subscriptions
from tests.conftest import Stripe

KEY = "sk_test_of_the_tests"
CARD, DECLINED = "4242424242424242", "4000000000000002"
DAY = 24 * 3600


def control(stripe: Stripe, endpoint: str, **form: object) -> Any:
    sent = Request(f"{stripe.url}/control/{endpoint}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(sent) as answer:
        return json.load(answer)


@pytest.fixture
def client(stripe: Stripe) -> library.StripeClient:
    return library.StripeClient(KEY, base_addresses={"api": stripe.url})


def line(name: str, cents: int, *, recurring: bool = True) -> Any:
    data: dict[str, Any] = {"currency": "cad", "unit_amount": cents, "product_data": {"name": name, "metadata": {"part": name.lower()}}}
    return {"quantity": 1, "metadata": {"line": name}, "price_data": data | ({"recurring": {"interval": "month"}} if recurring else {})}


def subscribe(client: library.StripeClient, stripe: Stripe, *, fee: int = 3_30) -> library.Subscription:
    """A subscription of $100 a month and a covered fee, whose first invoice is paid by card."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [line("Gift", 100_00), *([line("Fee", fee)] if fee else [])],
            "subscription_data": {"metadata": {"donation": "d_1"}},
            "success_url": "https://a.example/s",
        }
    )
    paid = subscriptions.pay_checkout(stripe.account, stripe.store.get(session.id) or {}, CARD)
    return client.v1.subscriptions.retrieve(paid["subscription"])


def item_of(subscription: library.Subscription, cents: int) -> Any:
    return next(item for item in subscription["items"].data if item.price.unit_amount == cents)


def invoice_of(client: library.StripeClient, invoice_id: Any) -> library.Invoice:
    return client.v1.invoices.retrieve(invoice_id, {"expand": ["payments.data.payment.payment_intent", "amount_paid_off_stripe"]})


def payments(invoice: library.Invoice) -> set[tuple[str, str, int, int | None]]:
    """The type, status, requested and paid amount of the payments of an invoice."""
    assert invoice.payments
    return {(p.payment.type, p.status, p.amount_requested, p.amount_paid) for p in invoice.payments.data}


def status_of(client: library.StripeClient, subscription: library.Subscription) -> str:
    return str(client.v1.subscriptions.retrieve(subscription.id).status)


def types(stripe: Stripe) -> list[str]:
    return [event["type"] for event in stripe.store.newest("event", limit=100)]


def test_products_and_prices_are_objects_with_their_metadata(client: library.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": [line("Gift", 100_00, recurring=False)], "success_url": "https://a.example/s"}
    )
    (sold,) = client.v1.checkout.sessions.line_items.list(session.id).data
    assert sold.metadata and sold.price and sold.metadata.to_dict() == {"line": "Gift"}
    product = client.v1.products.retrieve(str(sold.price.product))
    assert (product.name, product.metadata.to_dict()) == ("Gift", {"part": "gift"})
    assert client.v1.prices.retrieve(sold.price.id).unit_amount == 100_00
    other = client.v1.products.create({"name": "Other"})
    assert [found.id for found in client.v1.products.list({"ids": [product.id]}).data] == [product.id]
    assert len(client.v1.products.list({"ids": [product.id, other.id]}).data) == 2


def test_items_and_lines_come_in_another_order_than_that_of_the_checkout(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    assert [item.price.unit_amount for item in subscription["items"].data] == [3_30, 100_00]
    named = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["items.data.price.product"]})
    assert [item.price.product.name for item in named["items"].data] == ["Fee", "Gift"]
    invoice = client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert [found.amount for found in invoice.lines.data] == [100_00, 3_30]


def test_the_line_of_an_invoice_names_its_price_product_and_item(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    item = item_of(subscription, 3_30)
    (found,) = [found for found in client.v1.invoices.line_items.list(str(subscription.latest_invoice)).data if found.amount == 3_30]
    assert found.pricing and found.pricing.price_details and found.parent and found.parent.subscription_item_details
    assert (found.pricing.price_details.price, found.pricing.price_details.product) == (item.price.id, item.price.product)
    assert found.parent.subscription_item_details.subscription_item == item.id
    assert found.metadata.to_dict() == {"donation": "d_1"}, "the metadata of the subscription, not of the item"
    assert item.metadata.to_dict() == {"line": "Fee"}
    client.v1.subscriptions.update(subscription.id, {"metadata": {"donation": "d_2"}})
    (again,) = [again for again in client.v1.invoices.line_items.list(str(subscription.latest_invoice)).data if again.amount == 3_30]
    assert again.metadata.to_dict() == {"donation": "d_2"}, "Stripe shows the current metadata of the subscription"


def test_a_new_price_keeps_the_product_and_an_unknown_product_is_refused(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    item = item_of(subscription, 100_00)
    price: Any = {"currency": "cad", "product": item.price.product, "unit_amount": 50_00, "recurring": {"interval": "month"}}
    changed = client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price_data": price}]})
    assert item_of(changed, 50_00).price.product == item.price.product
    wrong: Any
    for wrong in ({**price, "product": "prod_none"}, {k: v for k, v in price.items() if k != "unit_amount"}):
        with pytest.raises(library.InvalidRequestError):
            client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price_data": wrong}]})
    with pytest.raises(library.InvalidRequestError, match="at least one active plan"):
        client.v1.subscriptions.update(subscription.id, {"items": [{"id": i.id, "deleted": True} for i in changed["items"].data]})


def test_an_invoice_has_one_payment_intent_for_all_attempts(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe, fee=0)
    invoice = control(stripe, f"subscriptions/{subscription.id}/months", outcome="failed")
    open_invoice = invoice_of(client, invoice["id"])
    assert (open_invoice.status, open_invoice.amount_paid, payments(open_invoice)) == (
        "open",
        0,
        {("payment_intent", "open", 100_00, None)},
    )
    assert status_of(client, subscription) == "past_due"
    control(stripe, f"invoices/{invoice['id']}/pay", card=CARD)
    paid = invoice_of(client, invoice["id"])
    assert (paid.status, payments(paid)) == ("paid", {("payment_intent", "paid", 100_00, 100_00)})
    (listed,) = client.v1.invoice_payments.list({"invoice": paid.id}).data
    assert listed.payment.payment_intent and client.v1.invoice_payments.retrieve(listed.id).status == "paid"
    assert client.v1.invoice_payments.list({"invoice": paid.id, "status": "open"}).data == []
    assert client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": str(listed.payment.payment_intent)}}
    ).data
    assert status_of(client, subscription) == "active"


def test_payments_and_what_was_paid_off_stripe_are_sent_only_when_expanded(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    assert not {"payments", "amount_paid_off_stripe"} & set(client.v1.invoices.retrieve(str(subscription.latest_invoice)).to_dict())
    paid = next(event for event in stripe.store.newest("event", limit=99) if event["type"] == "invoice.paid")
    assert not {"payments", "amount_paid_off_stripe"} & set(paid["data"]["object"])


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [
        ("outside_stripe", {("payment_intent", "canceled", 100_00, None)}),
        ("outside_stripe_without_intent", set()),
        ("cheque", {("payment_intent", "canceled", 100_00, None)}),
    ],
)
def test_a_month_is_paid_outside_stripe(
    client: library.StripeClient, stripe: Stripe, outcome: str, attempts: set[tuple[str, str, int, int | None]]
) -> None:
    subscription = subscribe(client, stripe, fee=0)
    before = client.v1.balance_transactions.list().data
    invoice = invoice_of(client, control(stripe, f"subscriptions/{subscription.id}/months", outcome=outcome)["id"])
    assert (invoice.status, invoice.amount_paid, invoice.amount_paid_off_stripe, invoice.amount_remaining) == ("paid", 100_00, 100_00, 0)
    assert invoice.payments
    (record,) = [payment.payment.payment_record for payment in invoice.payments.data if payment.payment.type == "payment_record"]
    assert client.v1.payment_records.retrieve(str(record)).amount.value == 100_00
    assert payments(invoice) == attempts | {("payment_record", "paid", 100_00, 100_00)}
    assert ("invoice.payment_failed" in types(stripe)) is (outcome == "cheque")
    assert client.v1.balance_transactions.list().data == before
    assert status_of(client, subscription) == "active"
    with pytest.raises(HTTPError):
        control(stripe, f"invoices/{invoice.id}/pay")


def test_a_month_is_forgiven_by_a_credit_note(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe, fee=0)
    invoice = invoice_of(client, control(stripe, f"subscriptions/{subscription.id}/months", outcome="forgiven")["id"])
    assert (invoice.status, invoice.amount_paid, invoice.total, invoice.pre_payment_credit_notes_amount) == ("paid", 0, 100_00, 100_00)
    assert payments(invoice) == {("payment_intent", "canceled", 100_00, None)}
    assert [note.pre_payment_amount for note in client.v1.credit_notes.list({"invoice": invoice.id}).data] == [100_00]
    assert types(stripe).count("invoice.paid") == 2 and status_of(client, subscription) == "active"


def test_a_month_is_credited_in_part_and_the_rest_is_paid_by_card(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe, fee=0)
    sent = control(stripe, f"subscriptions/{subscription.id}/months", outcome="partly_credited", credited=40_00)
    invoice = invoice_of(client, sent["id"])
    assert (invoice.status, invoice.amount_paid, invoice.total, invoice.pre_payment_credit_notes_amount) == ("paid", 60_00, 100_00, 40_00)
    assert payments(invoice) == {("payment_intent", "paid", 60_00, 60_00)}


def test_an_invoice_is_paid_in_part_and_stays_open_until_the_rest_is_paid(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    invoice = control(stripe, f"subscriptions/{subscription.id}/months", outcome="failed")["id"]
    control(stripe, f"invoices/{invoice}/pay", card=CARD, amount=10_00)
    found = client.v1.invoices.retrieve(invoice, {"expand": ["payments"]})
    assert (found.status, found.amount_paid, found.amount_remaining) == ("open", 10_00, 93_30)
    assert payments(found) == {("payment_intent", "open", 93_30, None), ("payment_intent", "paid", 10_00, 10_00)}
    with pytest.raises(HTTPError, match="400"):
        control(stripe, f"invoices/{invoice}/pay", card=CARD, amount=93_30 + 1)
    control(stripe, f"invoices/{invoice}/pay", card=CARD)
    found = client.v1.invoices.retrieve(invoice, {"expand": ["payments"]})
    assert (found.status, found.amount_paid, found.amount_remaining) == ("paid", 103_30, 0)
    assert payments(found) == {("payment_intent", "paid", 93_30, 93_30), ("payment_intent", "paid", 10_00, 10_00)}


def test_what_remains_of_an_invoice_is_written_off(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    invoice = control(stripe, f"subscriptions/{subscription.id}/months", outcome="failed")["id"]
    assert control(stripe, f"invoices/{invoice}/write_offs")["status"] == "uncollectible"
    assert client.v1.invoices.retrieve(invoice).status_transitions.marked_uncollectible_at
    with pytest.raises(HTTPError, match="400"):
        control(stripe, f"invoices/{invoice}/write_offs")
    assert control(stripe, f"invoices/{invoice}/pay", card=CARD)["status"] == "paid", "it can still be paid"


def test_a_paid_invoice_is_credited_after_its_payment(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe, fee=0)
    control(stripe, f"invoices/{subscription.latest_invoice}/credit_notes", amount=25_00)
    invoice = client.v1.invoices.retrieve(str(subscription.latest_invoice))
    assert (invoice.status, invoice.amount_paid, invoice.post_payment_credit_notes_amount) == ("paid", 100_00, 25_00)
    with pytest.raises(HTTPError):
        control(stripe, f"invoices/{subscription.latest_invoice}/credit_notes", amount=75_01)


def test_the_amount_is_changed_at_stripe(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    product = item_of(subscription, 100_00).price.product
    control(stripe, f"subscriptions/{subscription.id}/items", cents=70_00)
    control(stripe, f"subscriptions/{subscription.id}/items", remove="yes")
    (item,) = client.v1.subscriptions.retrieve(subscription.id)["items"].data
    assert (item.price.unit_amount, item.price.product) == (70_00, product)
    assert control(stripe, f"subscriptions/{subscription.id}/months", outcome="paid")["amount_paid"] == 70_00
    with pytest.raises(HTTPError):
        control(stripe, f"subscriptions/{subscription.id}/items", remove="yes")


def test_a_subscription_becomes_unpaid_and_is_active_again_once_its_latest_invoice_is_paid(
    client: library.StripeClient, stripe: Stripe
) -> None:
    subscription = subscribe(client, stripe, fee=0)
    invoice = control(stripe, f"subscriptions/{subscription.id}/months", outcome="unpaid")
    assert (invoice["status"], invoice["next_payment_attempt"], status_of(client, subscription)) == ("open", None, "unpaid")
    control(stripe, "clock", days=31)
    drafts = client.v1.invoices.list({"subscription": subscription.id, "status": "draft"}).data
    assert [draft.auto_advance for draft in drafts] == [False], "an unpaid subscription is not charged"
    control(stripe, f"invoices/{invoice['id']}/pay", card=CARD)
    assert status_of(client, subscription) == "active"


@pytest.mark.parametrize("status", subscriptions.AFTER_RETRIES)
def test_the_last_retry_ends_as_the_account_is_configured(client: library.StripeClient, stripe: Stripe, status: str) -> None:
    subscription = subscribe(client, stripe, fee=0)
    control(stripe, "after_retries", status=status)
    control(stripe, f"subscriptions/{subscription.id}", card=DECLINED)
    control(stripe, "clock", days=31)
    for _ in range(3):
        control(stripe, "clock", days=4)
    assert status_of(client, subscription) == status


def test_a_cancellation_is_scheduled_in_the_portal_and_undone(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    end = subscription["items"].data[0].current_period_end
    portal = client.v1.billing_portal.sessions.create({"customer": str(subscription.customer), "return_url": stripe.url})
    urlopen(portal.url, data=b"end=y").close()
    scheduled = client.v1.subscriptions.retrieve(subscription.id)
    assert (scheduled.status, scheduled.cancel_at_period_end, scheduled.cancel_at, scheduled.ended_at) == ("active", True, end, None)
    urlopen(portal.url, data=b"keep=y").close()
    again = client.v1.subscriptions.retrieve(subscription.id)
    assert (again.cancel_at_period_end, again.cancel_at, again.canceled_at) == (False, None, None)
    control(stripe, f"subscriptions/{subscription.id}/cancellation", at=clock.now() + 40 * DAY)
    dated = client.v1.subscriptions.retrieve(subscription.id)
    assert (dated.cancel_at_period_end, dated.status) == (False, "active") and dated.cancel_at
    control(stripe, "clock", days=31)
    assert status_of(client, subscription) == "active"
    control(stripe, "clock", days=31)
    assert status_of(client, subscription) == "canceled"
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 2


def test_a_portal_can_cancel_at_once(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    control(stripe, "portal", mode="immediately")
    portal = client.v1.billing_portal.sessions.create({"customer": str(subscription.customer), "return_url": stripe.url})
    urlopen(portal.url, data=b"end=y").close()
    assert status_of(client, subscription) == "canceled"


def test_a_recurring_price_needs_a_checkout_in_subscription_mode(client: library.StripeClient) -> None:
    for mode, recurring in (("payment", True), ("subscription", False)):
        params: Any = {"mode": mode, "line_items": [line("Gift", 100_00, recurring=recurring)], "success_url": "https://a.example/s"}
        with pytest.raises(library.InvalidRequestError, match="recurring price"):
            client.v1.checkout.sessions.create(params)


def test_the_home_page_documents_every_control_and_shows_those_of_each_object(client: library.StripeClient, stripe: Stripe) -> None:
    subscription = subscribe(client, stripe)
    invoice = control(stripe, f"subscriptions/{subscription.id}/months", outcome="failed")
    with urlopen(f"{stripe.url}/") as answer:
        page = answer.read().decode()
    for shown in ("months", "items", "cancellation"):
        assert f'action="/control/subscriptions/{subscription.id}/{shown}"' in page
    for shown in ("credit_notes", "pay", "write_offs"):
        assert f'action="/control/invoices/{invoice["id"]}/{shown}"' in page
    for field in ("key", "without", "remove", "api_version", "feature", "resource"):
        assert f'name="{field}"' in page
    app: Any = stripe.server.app
    controls = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("control.")}
    assert len(controls) >= 22
    for path in controls:
        assert f"POST {path}".replace("<", "&lt;").replace(">", "&gt;") in page
    assert all(app.view_functions[rule.endpoint].__doc__ for rule in app.url_map.iter_rules() if rule.endpoint.startswith("control."))
