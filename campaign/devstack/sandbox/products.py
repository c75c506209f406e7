"""Products and prices as objects of their own, and the lines of a checkout that are made of them."""

from typing import Any

from campaign.devstack.sandbox import shapes
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store

COPIED = ("description", "images", "statement_descriptor", "tax_code", "unit_label", "url")


def create_product(store: Store, params: Doc) -> Doc:
    """Create a product from the parameters of a request, or from `product_data`."""
    copied = {name: params[name] for name in COPIED if name in params}
    return store.put(shapes.product(name=params["name"], metadata=params.get("metadata") or {}, **copied))


def create_price(store: Store, params: Doc, name: str) -> Doc:
    """Create a price from the parameters of a request, or from the `price_data` that is at `name`. Raises ApiError."""
    if "product" in params and "product_data" in params:
        raise ApiError("You may only specify one of these parameters: product, product_data.", param=_inner(name, "product"))
    if "product_data" in params:
        product = create_product(store, params["product_data"])
    elif "product" in params:
        product = get_product(store, params["product"], _inner(name, "product"))
    else:
        raise ApiError("You must specify either `product` or `product_data` when creating a price.", param=_inner(name, "product"))
    price = shapes.price(
        product_id=product["id"],
        unit_amount=_unit_amount(params, name),
        currency=params["currency"].lower(),
        metadata=params.get("metadata") or {},
        nickname=params.get("nickname"),
    )
    if recurring := params.get("recurring"):
        price |= {"type": "recurring", "recurring": _recurring(recurring)}
    return store.put(price)


def _unit_amount(params: Doc, name: str) -> int:
    sent = params.get("unit_amount", params.get("unit_amount_decimal"))
    if sent is None:
        raise ApiError(
            "You must specify either `unit_amount` or `unit_amount_decimal` when creating a price.", param=_inner(name, "unit_amount")
        )
    if int(sent) < 0:
        raise ApiError("Invalid non-negative integer", code="parameter_invalid_integer", param=_inner(name, "unit_amount"))
    return int(sent)


def _inner(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def _recurring(params: Doc) -> Doc:
    count = int(params.get("interval_count") or 1)
    return {"interval": params["interval"], "interval_count": count, "meter": None, "trial_period_days": None, "usage_type": "licensed"}


def get_product(store: Store, product_id: str, param: str) -> Doc:
    """The product. Raises ApiError when there is none with this id."""
    product = store.get(product_id, "product")
    if product is None:
        raise ApiError(f"No such product: '{product_id}'", param=param, code="resource_missing")
    return product


def create_lines(store: Store, lines: list[Doc]) -> list[Doc]:
    """The lines of a checkout. Each has a price, new or existing, which has a product. Raises ApiError."""
    created = [_create_line(store, line, f"line_items[{index}]") for index, line in enumerate(lines)]
    if not created:
        raise ApiError("Missing required param: line_items.", param="line_items", code="parameter_missing")
    currencies = {line["currency"] for line in created}
    if len(currencies) > 1:
        raise ApiError("All prices in a Checkout Session must have the same currency.", param="line_items")
    return created


def _create_line(store: Store, params: Doc, name: str) -> Doc:
    if "price" in params and "price_data" in params:
        raise ApiError("You may only specify one of these parameters: price, price_data.", param=f"{name}[price]")
    price = create_price(store, params["price_data"], f"{name}[price_data]") if "price_data" in params else _find_price(store, params, name)
    line = shapes.line_item(
        description=get_product(store, price["product"], name)["name"],
        amount=price["unit_amount"],
        quantity=int(params.get("quantity") or 1),
        currency=price["currency"],
        price=price,
    )
    return line | {"metadata": params.get("metadata") or {}}


def _find_price(store: Store, params: Doc, name: str) -> Doc:
    price: Any = store.get(str(params.get("price")), "price")
    if price is None:
        raise ApiError(f"No such price: '{params.get('price')}'", param=f"{name}[price]", code="resource_missing")
    found: Doc = price
    return found
