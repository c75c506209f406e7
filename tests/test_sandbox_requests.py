"""The Stripe sandbox refuses what Stripe refuses: parameters, pages, expansions, keys, permissions; and its clock and setup."""

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe as library
from stripe import params as types

from campaign.devstack.sandbox import clock
from campaign.devstack.sandbox.answers import bp
from campaign.devstack.sandbox.endpoints import ENDPOINTS
from campaign.devstack.sandbox.parameters import check_params
from campaign.devstack.sandbox.stripe_account import ApiError
from tests.conftest import Stripe

KEY = "sk_test_of_the_tests"
WITHOUT_TYPES = {"/v1/payment_pages/<object_id>", "/v1/payment_pages/<object_id>/confirm", "/v1/<path:path>"}


def control(stripe: Stripe, endpoint: str, **form: object) -> Any:
    sent = Request(f"{stripe.url}/control/{endpoint}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(sent) as answer:
        return json.load(answer)


@pytest.fixture
def client(stripe: Stripe) -> Iterator[library.StripeClient]:
    yield library.StripeClient(KEY, base_addresses={"api": stripe.url})
    clock.set_skew(0)


def session_params(**changed: Any) -> Any:
    line = {"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 100_00, "product_data": {"name": "Gift"}}}
    return {"mode": "payment", "line_items": [line], "success_url": "https://a.example/s", **changed}


def refused(client: library.StripeClient, method: str, path: str, **params: Any) -> tuple[int | None, str | None, str | None]:
    """The status, code and parameter of the error that a request is refused with."""
    with pytest.raises(library.StripeError) as error:
        client.raw_request(method, f"/v1/{path}", **params)
    assert error.value.user_message
    return error.value.http_status, error.value.code, getattr(error.value, "param", None)


def test_every_endpoint_is_checked_against_a_type_of_the_library(stripe: Stripe) -> None:
    app: Any = stripe.server.app
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{bp.name}.")} - WITHOUT_TYPES
    checked = {name.partition(" ")[2] for name in ENDPOINTS}
    collections = {path.strip("/").partition("/")[0] for path in checked}
    for rule in rules:
        path = rule.removeprefix("/v1").replace("<object_id>", "_")
        if path.startswith("/<any("):
            assert set(path.partition("(")[2].partition(")")[0].split(", ")) <= collections
        else:
            assert path in checked, rule


@pytest.mark.parametrize(
    ("changed", "code", "param"),
    [
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"payment_intent_data": {"metdata": {"a": "b"}}}, "parameter_unknown", "payment_intent_data[metdata]"),
        ({"line_items": [{"quantity": "many"}]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items": [{"quantity": 1, "price_data": {"unit_amount": 500}}]}, "parameter_missing", "line_items[0][price_data][currency]"),
        (
            {"line_items": [{"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 500}}]},
            None,
            "line_items[0][price_data][product]",
        ),
        ({"line_items": [{"price_data": {"currency": "cad", "product_data": {"name": "x"}}}]}, None, "line_items[0]"),
        ({"adaptive_pricing": {"enabled": "perhaps"}}, None, "adaptive_pricing[enabled]"),
        ({"locale": "xx"}, None, "locale"),
        ({"customer_email": ""}, "parameter_invalid_empty", "customer_email"),
        ({"customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({"metadata": {"x" * 41: "y"}}, None, f"metadata[{'x' * 41}]"),
        ({"metadata": {"x": "y" * 501}}, None, "metadata[x]"),
        ({"metadata": {str(n) + "_": "y" for n in range(51)}}, None, "metadata"),
        ({"subscription_data": {"description": "x"}}, None, "subscription_data"),
    ],
)
def test_parameters_that_do_not_fit_their_types_are_refused(
    client: library.StripeClient, changed: dict[str, Any], code: str | None, param: str
) -> None:
    assert refused(client, "post", "checkout/sessions", **session_params(**changed)) == (400, code, param)
    assert client.v1.checkout.sessions.list().data == []


def test_a_missing_and_an_extra_parameter_of_other_endpoints_are_refused(client: library.StripeClient) -> None:
    assert refused(client, "post", "payouts", amount=100) == (400, "parameter_missing", "currency")
    assert refused(client, "post", "refunds", payment="pi_1") == (400, "parameter_unknown", "payment")
    assert refused(client, "get", "balance", currency="cad") == (400, "parameter_unknown", "currency")
    assert refused(client, "get", "events", created={"since": 1}) == (400, "parameter_unknown", "created[since]")
    assert refused(client, "get", "subscriptions/sub_1", prorate="true") == (400, "parameter_unknown", "prorate")
    assert refused(client, "delete", "subscriptions/sub_1", at="now") == (400, "parameter_unknown", "at")


def test_a_refused_request_stores_nothing_under_its_idempotency_key(client: library.StripeClient) -> None:
    options: Any = {"idempotency_key": "one"}
    with pytest.raises(library.InvalidRequestError):
        client.v1.checkout.sessions.create(session_params(locale="xx"), options)
    assert client.v1.checkout.sessions.create(session_params(), options).id
    with pytest.raises(library.IdempotencyError) as error:
        client.v1.checkout.sessions.create(session_params(locale="fr"), options)
    assert error.value.http_status == 400
    with pytest.raises(library.IdempotencyError):
        client.v1.checkout.sessions.create(session_params(), {"idempotency_key": "x" * 256})


def test_metadata_with_any_key_and_dates_in_both_forms_are_taken() -> None:
    check_params({"created": "5", "limit": "100"}, types.EventListParams)
    check_params({"created": {"gte": "5"}}, types.EventListParams)
    check_params({"amount": "5", "metadata": {"anything": ""}}, types.RefundCreateParams)
    check_params({"metadata": "", "amount": "5"}, types.RefundCreateParams)
    with pytest.raises(ApiError, match="Invalid object"):
        check_params({"metadata": "x"}, types.RefundCreateParams)


def test_events_are_listed_by_at_most_twenty_types(client: library.StripeClient) -> None:
    kinds = [f"charge.dispute.{n}" for n in range(21)]
    assert client.v1.events.list({"types": kinds[:20]}).data == []
    assert refused(client, "get", "events", types=kinds) == (400, None, "types")
    assert refused(client, "get", "events", types=["a"], type="b") == (400, None, "types")
    client.v1.payment_intents.create({"amount": 500, "currency": "cad"})
    assert [event.type for event in client.v1.events.list({"type": "payment_intent.*"}).data] == ["payment_intent.created"]


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_1_to_100_objects(client: library.StripeClient, limit: int) -> None:
    assert refused(client, "get", "refunds", limit=limit) == (400, "parameter_invalid_integer", "limit")


def test_pages_follow_and_precede_an_object_that_exists(client: library.StripeClient) -> None:
    intents = [client.v1.payment_intents.create({"amount": cents, "currency": "cad"}) for cents in range(501, 506)]
    page = client.v1.payment_intents.list({"ending_before": intents[1].id, "limit": 2})
    assert ([intent.amount for intent in page.data], page.has_more) == ([504, 503], True)
    page = client.v1.payment_intents.list({"starting_after": intents[1].id, "limit": 2})
    assert ([intent.amount for intent in page.data], page.has_more) == ([501], False)
    assert refused(client, "get", "payment_intents", starting_after="pi_none") == (400, "resource_missing", "starting_after")
    assert refused(client, "get", "payment_intents", starting_after=intents[0].id, ending_before=intents[1].id)[0] == 400


@pytest.mark.parametrize(
    ("path", "expand"),
    [
        ("invoices", "data.payments.data.payment.payment_intent"),
        ("invoices/in_1", "lines.data.pricing.price_details.product"),
        ("payment_intents", "latest_charge"),
        ("payment_intents/pi_1", "latest_charges"),
        ("payment_intents/pi_1", "metadata"),
        ("balance_transactions", "data.charge"),
    ],
)
def test_expansions_that_do_not_exist_or_are_too_deep_are_refused(client: library.StripeClient, path: str, expand: str) -> None:
    assert refused(client, "get", path, expand=[expand]) == (400, None, "expand")


def test_four_levels_are_expanded(client: library.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(session_params(expand=["line_items.data.price.product"]))
    assert session.line_items
    price: Any = session.line_items.data[0].price
    assert price.product.name == "Gift"
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True})
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    refunded: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.refunds.data.balance_transaction"]})
    (found,) = refunded.latest_charge.refunds.data
    assert (found.id, found.balance_transaction.amount) == (refund.id, -100)
    assert "line_items" not in client.v1.checkout.sessions.retrieve(session.id)


def test_another_version_of_the_api_is_refused(client: library.StripeClient, stripe: Stripe) -> None:
    other = library.StripeClient(KEY, base_addresses={"api": stripe.url}, stripe_version="2020-08-27")
    with pytest.raises(library.InvalidRequestError, match="API version"):
        other.v1.refunds.list()


@pytest.mark.parametrize(("seconds", "is_taken"), [(1795, False), (1802, True), (24 * 3600, True), (24 * 3600 + 5, False)])
def test_a_checkout_lives_half_an_hour_to_a_day_to_the_second(client: library.StripeClient, seconds: int, is_taken: bool) -> None:
    params = session_params(expires_at=int(time.time()) + seconds)
    if is_taken:
        assert client.v1.checkout.sessions.create(params).expires_at == params["expires_at"]
    else:
        assert refused(client, "post", "checkout/sessions", **params) == (400, None, "expires_at")


def test_a_skew_of_the_clocks_is_seen_in_the_date_and_in_what_is_refused(client: library.StripeClient, stripe: Stripe) -> None:
    control(stripe, "clock", skew=300)
    with urlopen(f"{stripe.url}/") as answer:
        date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert 295 <= date - time.time() <= 305
    assert refused(client, "post", "checkout/sessions", **session_params(expires_at=int(time.time()) + 1860)) == (400, None, "expires_at")


def test_after_a_month_a_checkout_can_still_be_opened_and_paid(client: library.StripeClient, stripe: Stripe) -> None:
    control(stripe, "clock", days=31)
    session = client.v1.checkout.sessions.create(session_params(expires_at=int(time.time()) + 31 * 60))
    stripe.account.expire_overdue()
    stripe.account.pay_checkout(stripe.store.get(session.id) or {}, "4242424242424242")
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    intent: Any = paid.payment_intent
    assert intent.latest_charge.created >= time.time() + 30 * 24 * 3600, "what is paid follows the account's clock"


def test_a_checkout_that_is_past_its_expiry_cannot_be_paid(client: library.StripeClient, stripe: Stripe) -> None:
    session = client.v1.checkout.sessions.create(session_params(expires_at=int(time.time()) + 1801))
    clock.set_skew(1900)
    with pytest.raises(ApiError, match="no longer open"):
        stripe.account.pay_checkout(stripe.store.get(session.id) or {}, "4242424242424242")


def test_payment_method_types_that_the_account_has_not_enabled_are_dropped(client: library.StripeClient, stripe: Stripe) -> None:
    params = session_params(allowed_payment_method_types=["card", "acss_debit"])
    assert client.v1.checkout.sessions.create(params).payment_method_types == ["card", "acss_debit"]
    control(stripe, "payment_methods", type="acss_debit", state="off")
    assert client.v1.checkout.sessions.create(params).payment_method_types == ["card"]
    (configuration,) = client.v1.payment_method_configurations.list().data
    assert configuration.acss_debit and configuration.card and configuration.apple_pay
    assert (configuration.acss_debit.available, configuration.card.available, configuration.apple_pay.available) == (False, True, True)
    assert refused(client, "post", "checkout/sessions", **session_params(allowed_payment_method_types=["acss_debit"])) == (
        400,
        None,
        "allowed_payment_method_types",
    )


def test_payment_method_types_can_be_excluded_but_not_also_allowed(client: library.StripeClient) -> None:
    excluded = session_params(excluded_payment_method_types=["acss_debit"])
    assert client.v1.checkout.sessions.create(excluded).payment_method_types == ["card", "link"]
    both = session_params(excluded_payment_method_types=["acss_debit"], allowed_payment_method_types=["card"])
    assert refused(client, "post", "checkout/sessions", **both) == (400, None, "allowed_payment_method_types")
    assert refused(client, "post", "payment_intents", amount=500, currency="cad", payment_method_types=["card"]) == (
        400,
        "payment_method_types_no_longer_supported",
        "payment_method_types",
    )


def test_a_restricted_key_lacks_a_permission(client: library.StripeClient, stripe: Stripe) -> None:
    control(stripe, "permissions", resource="refunds", access="read")
    control(stripe, "permissions", resource="checkout/sessions", access="none")
    assert client.v1.refunds.list().data == []
    with pytest.raises(library.PermissionError, match=r"'rak_refund_write' permission would allow") as error:
        client.v1.refunds.create({"payment_intent": "pi_1"})
    assert (error.value.http_status, error.value.error and error.value.error.type) == (403, "invalid_request_error")
    with pytest.raises(library.PermissionError, match="rak_checkout_session_read"):
        client.v1.checkout.sessions.list()


def test_another_key_is_refused(client: library.StripeClient, stripe: Stripe) -> None:
    control(stripe, "key", key="rk_test_of_the_check")
    with pytest.raises(library.AuthenticationError, match="Invalid API Key provided") as error:
        client.v1.refunds.list()
    assert error.value.http_status == 401 and KEY not in str(error.value)


def test_the_webhook_endpoint_and_the_portal_are_listed_as_configured(client: library.StripeClient, stripe: Stripe) -> None:
    assert client.v1.webhook_endpoints.list().data == []
    control(stripe, "webhook_endpoint", url="https://a.example/stripe", enabled_events="charge.refunded, payout.paid", status="disabled")
    (endpoint,) = client.v1.webhook_endpoints.list().data
    assert (endpoint.url, endpoint.status, endpoint.enabled_events) == (
        "https://a.example/stripe",
        "disabled",
        ["charge.refunded", "payout.paid"],
    )
    assert endpoint.api_version == library.api_version
    control(stripe, "webhook_endpoint", remove="yes")
    assert client.v1.webhook_endpoints.list().data == []
    control(stripe, "portal", feature="subscription_update", state="on")
    (portal,) = client.v1.billing_portal.configurations.list({"active": True}).data
    assert (portal.features.subscription_update.enabled, portal.features.subscription_cancel.mode) == (True, "at_period_end")
    assert client.v1.accounts.retrieve_current().country == "CA"
