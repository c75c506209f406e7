"""Every object that the service reads may have any nullable field null and any optional field absent, as Stripe's own types allow."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.edges.services import Services, services
from campaign.edges.stripe.reversals import ReversalKind, StripeReversal
from tests.conftest import Stripe
from tests.stripe import checkout_request
from tests.stripe_calls import CLIENTS, LONG_AGO, METHODS, Call, call_every_method, endpoint_of, record_calls, serve
from tests.stripe_types import Change, Document, Path, changes_of, faults

CALLS: dict[str, Callable[[Services], Any]] = {
    "StripePayments.open_checkout": lambda s: s.stripe_payments.open_checkout(checkout_request()),
    "StripePayments.expire_checkout": lambda s: s.stripe_payments.expire_checkout("cs_test_1"),
    "StripePayments.get_checkout": lambda s: s.stripe_payments.get_checkout("cs_test_1"),
    "StripePayments.find_checkout_of": lambda s: s.stripe_payments.find_checkout_of("pi_1"),
    "StripePayments.get_payment": lambda s: s.stripe_payments.get_payment("pi_1"),
    "StripePayments.create_refund": lambda s: s.stripe_payments.create_refund("pi_1", 1_00, key="refund-1"),
    "StripePayments.find_refund": lambda s: s.stripe_payments.find_refund("pi_1", "refund-1"),
    "StripePayments.list_refunds": lambda s: s.stripe_payments.list_refunds("pi_1"),
    "StripePayments.get_refund": lambda s: s.stripe_payments.get_refund("re_1"),
    "StripePayments.get_dispute": lambda s: s.stripe_payments.get_dispute("du_1"),
    "StripePayments.list_events": lambda s: list(s.stripe_payments.list_events(LONG_AGO, ["payout.paid"])),
    "StripePayments.list_successes": lambda s: list(s.stripe_payments.list_successes(LONG_AGO)),
    "StripePayments.find_donation_of_first_payment": lambda s: s.stripe_payments.find_donation_of_first_payment("pi_1"),
    "StripeBalance.list_transactions": lambda s: list(s.stripe_balance.list_transactions(LONG_AGO)),
    "StripeBalance.list_payout_transaction_ids": lambda s: s.stripe_balance.list_payout_transaction_ids("po_1"),
    "StripeBalance.list_payments": lambda s: list(s.stripe_balance.list_payments(LONG_AGO)),
    "StripeBalance.get_payment": lambda s: s.stripe_balance.get_payment("pi_1"),
    "StripeBalance.list_refunds": lambda s: list(s.stripe_balance.list_refunds(LONG_AGO)),
    "StripeBalance.list_disputes": lambda s: list(s.stripe_balance.list_disputes(LONG_AGO)),
    "StripeBalance.get_payout": lambda s: s.stripe_balance.get_payout("po_1"),
    "StripeBalance.list_payouts": lambda s: list(s.stripe_balance.list_payouts(LONG_AGO)),
    "StripeBalance.get_balance": lambda s: s.stripe_balance.get_balance(),
    "StripeAccount.list_missing_permissions": lambda s: s.stripe_account.list_missing_permissions(),
    "StripeAccount.list_webhook_endpoints": lambda s: s.stripe_account.list_webhook_endpoints(),
    "StripeAccount.count_undelivered_events": lambda s: s.stripe_account.count_undelivered_events(LONG_AGO, LONG_AGO, limit=5),
    "StripeAccount.list_payment_methods": lambda s: s.stripe_account.list_payment_methods(),
    "StripeAccount.can_donors_change_cards": lambda s: s.stripe_account.can_donors_change_cards(),
    "StripeSubscriptions.get_invoice": lambda s: s.stripe_subscriptions.get_invoice("in_1"),
    "StripeSubscriptions.list_settled_invoices": lambda s: list(s.stripe_subscriptions.list_settled_invoices(LONG_AGO)),
    "StripeSubscriptions.get_subscription": lambda s: s.stripe_subscriptions.get_subscription("sub_1"),
    "StripeSubscriptions.list_subscriptions": lambda s: list(s.stripe_subscriptions.list_subscriptions()),
    "StripeSubscriptions.change_amounts": lambda s: s.stripe_subscriptions.change_amounts(
        "sub_1", gift_cents=10_00, covered_fee_cents=1_00
    ),
    "StripeSubscriptions.cancel": lambda s: s.stripe_subscriptions.cancel("sub_1"),
    "StripeSubscriptions.create_portal_session": lambda s: s.stripe_subscriptions.create_portal_session(
        "cus_1", return_url="https://example.org"
    ),
}

# These ask many endpoints and read nothing of the answers.
READ_NOTHING = {"StripeAccount.list_missing_permissions"}


def answers_by_endpoint(calls: list[Call]) -> dict[tuple[str, str], Document]:
    """The latest answer of each endpoint; of a list, one item of each kind on one page."""
    answers: dict[tuple[str, str], Document] = {}
    for call in (call for call in calls if call.status == 200):
        if call.answer["object"] == "list":
            known = answers.get(call.endpoint, {"data": []})["data"]
            items = {kind_of(item): item for item in [*known, *call.answer["data"]]}
            answers[call.endpoint] = {**call.answer, "data": list(items.values()), "has_more": False}
        else:
            answers[call.endpoint] = call.answer
    return answers


def kind_of(item: Document) -> tuple[str, str]:
    source = item.get("source")
    return item["object"], source["object"] if isinstance(source, dict) else ""


def changed_answers(answer: Document) -> Iterator[tuple[Change, Document]]:
    """The answer with each change; a list with one item at a time."""
    for one in [{**answer, "data": [item]} for item in answer["data"]] if answer["object"] == "list" else [answer]:
        yield from ((change, change.apply(one)) for change in changes_of(one))


def result_faults(value: Any, annotation: Any, where: str) -> Iterator[str]:
    """What of a result is not of its annotated type."""
    if is_dataclass(value):
        hints = get_type_hints(type(value))
        for field in fields(value):
            yield from result_faults(getattr(value, field.name), hints[field.name], f"{where}.{field.name}")
    elif isinstance(value, list):
        for item in value:
            yield from result_faults(item, get_args(annotation)[0], where)
    elif isinstance(value, tuple):
        for item, kind in zip(value, get_args(annotation), strict=True):
            yield from result_faults(item, kind, where)
    else:
        yield from faults(value, annotation, where)


def endpoints_of(
    call: Callable[[Services], Any], answers: dict[tuple[str, str], Document], monkeypatch: pytest.MonkeyPatch
) -> set[tuple[str, str]]:
    """The endpoints that a call asks."""
    asked: set[tuple[str, str]] = set()

    def answer_to(method: str, path: str, _: Document) -> Document:
        asked.add(endpoint_of(method, path))
        return answers[endpoint_of(method, path)]

    serve(monkeypatch, answer_to)
    call(services())
    return asked


def test_every_client_method_reads_objects_without_their_optional_fields(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = record_calls(monkeypatch)
    call_every_method(app, campaign, stripe, monkeypatch)
    answers = answers_by_endpoint(calls)
    assert CALLS.keys() == METHODS
    returned = {
        f"{c.__name__}.{n}": get_type_hints(getattr(c, n))["return"] for c in CLIENTS for n in vars(c) if f"{c.__name__}.{n}" in METHODS
    }
    changed = {endpoint: [*changed_answers(answer)] for endpoint, answer in answers.items()}
    failures: set[str] = set()
    for name in READ_NOTHING:
        serve(monkeypatch, lambda *_: {})
        failures.update(result_faults(CALLS[name](services()), returned[name], name))
    for name, call in ((name, call) for name, call in CALLS.items() if name not in READ_NOTHING):
        for endpoint in endpoints_of(call, answers, monkeypatch):
            for change, answer in changed[endpoint]:
                served = answers | {endpoint: answer}
                serve(monkeypatch, lambda method, path, _, served=served: served[endpoint_of(method, path)])  # type: ignore[misc]
                try:
                    failures.update(result_faults(call(services()), returned[name], name))
                except Exception as error:
                    failures.add(f"{name}: {type(error).__name__} {error} for {change}")
    assert failures == set()


def test_control_a_reader_that_needs_an_optional_field_is_detected(app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = record_calls(monkeypatch)
    services().stripe_payments.open_checkout(checkout_request())
    session, failing = calls[-1].answer, set[Path]()
    for change in changes_of(session):
        try:
            assert change.apply(session)["total_details"]["amount_tax"] == 0
        except (KeyError, TypeError):
            failing.update(change.paths if len(change.paths) == 1 else ())
    assert failing == {("total_details",)}
    invalid = StripeReversal(kind=ReversalKind.REFUND, id="re_1", payment_intent=None, cents=None, currency="CAD", status="x")  # type: ignore[arg-type]
    assert list(result_faults(invalid, StripeReversal, "reversal")) == ["reversal.cents: None is not int"]
