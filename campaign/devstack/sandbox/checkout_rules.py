"""The rules of a new Checkout Session that concern more than one of its parameters."""

from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc

ONLY_IN_MODE = {"payment_intent_data": "payment", "submit_type": "payment", "subscription_data": "subscription"}
EXCLUSIVE = (
    ("customer", "customer_email"),
    ("allowed_payment_method_types", "excluded_payment_method_types", "payment_method_configuration"),
)
MIN_TOTAL_CENTS = 50


def check_combinations(params: Doc) -> None:
    """Raises ApiError for parameters that Stripe takes one by one, but not together."""
    mode = params.get("mode")
    for name, only in ONLY_IN_MODE.items():
        if name in params and mode != only:
            raise ApiError(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if "success_url" not in params:
        raise ApiError("Missing required param: success_url.", code="parameter_missing", param="success_url")
    if "@" not in params.get("customer_email", "@"):
        raise ApiError(f"Invalid email address: {params['customer_email']}", code="email_invalid", param="customer_email")
    for names in EXCLUSIVE:
        if len(sent := [name for name in names if name in params]) > 1:
            raise ApiError(f"You may only specify one of these parameters: {', '.join(sent)}.", param=sent[0])
    for index, line in enumerate(params.get("line_items") or []):
        _check_line(line, str(mode), f"line_items[{index}]")
    _check_total(params)


def _check_line(line: Doc, mode: str, name: str) -> None:
    if "quantity" not in line:
        raise ApiError(f"Quantity is required. Add `quantity` to `{name}`", param=name)
    if int(line["quantity"]) < 1:
        raise ApiError("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=f"{name}[quantity]")
    data = line.get("price_data")
    if data is None:
        return
    if mode == "payment" and "recurring" in data:
        raise ApiError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
            param=f"{name}[price_data][recurring]",
        )
    if mode == "subscription" and "recurring" not in data:
        raise ApiError(
            "You must provide at least one recurring price in `subscription` mode when using prices.", param=f"{name}[price_data]"
        )


def _check_total(params: Doc) -> None:
    lines = params.get("line_items") or []
    if any("price_data" not in line or "unit_amount" not in line["price_data"] for line in lines):
        return
    if lines and sum(int(line["quantity"]) * int(line["price_data"]["unit_amount"]) for line in lines) < MIN_TOTAL_CENTS:
        raise ApiError(
            "The Checkout Session's total amount due must add up to at least $0.50 cad", code="amount_too_small", param="line_items"
        )
