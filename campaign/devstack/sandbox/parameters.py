"""Checks parameters against the types of Stripe's own library, and refuses as Stripe does what does not fit them.

The types decide which parameters exist, at every depth, which are required, and which values they take.
"""

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from inspect import get_annotations
from types import UnionType
from typing import Any, Literal, NoReturn, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from stripe._request_options import RequestOptions

from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc

MAX_METADATA_KEYS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 50, 40, 500
MAX_PAGE = 100
# Names that the annotations use but their modules import only for type checkers.
_NAMES: dict[str, Any] = {"Any": Any, "Literal": Literal, "Mapping": Mapping, "StripeContext": object, "UntypedStripeObject": dict}


def check_params(params: Doc, expected: type) -> None:
    """Raises ApiError for the first parameter that the type does not have, that is missing, or whose value it does not take."""
    _check_object(params, expected, "")
    if "limit" in params and not 1 <= int(params["limit"]) <= MAX_PAGE:
        bound = "greater than or equal to 1" if int(params["limit"]) < 1 else f"less than or equal to {MAX_PAGE}"
        raise ApiError(f"This value must be {bound}.", param="limit", code="parameter_invalid_integer")
    if params.get("starting_after") and params.get("ending_before"):
        raise ApiError("You may only specify one of these parameters: starting_after, ending_before.", param="starting_after")


@cache
def _fields(expected: type) -> dict[str, tuple[Any, bool]]:
    """The type of each parameter, and whether it is required."""
    hints = get_type_hints(expected, globalns={**_NAMES, **vars(sys.modules[expected.__module__])}, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        if name in get_annotations(RequestOptions) and expected.__name__ != "RequestOptions":
            continue
        marker: Any = get_origin(hint)
        fields[name] = (get_args(hint)[0] if marker in {NotRequired, Required} else hint, marker is not NotRequired)
    return fields


def choices_of(expected: type, name: str) -> list[str]:
    """The values that a parameter takes which is a list of choices."""
    (listed,) = get_args(_fields(expected)[name][0])
    return [str(choice) for kind in _alternatives(listed) if get_origin(kind) is Literal for choice in get_args(kind)]


def _check_object(params: Doc, expected: type, name: str) -> None:
    fields = _fields(expected)
    for key, value in params.items():
        inner = f"{name}[{key}]" if name else key
        if key not in fields:
            raise ApiError(f"Received unknown parameter: {inner}", code="parameter_unknown", param=inner)
        _check(value, fields[key][0], inner)
    for key, (_, is_required) in fields.items():
        if is_required and key not in params:
            inner = f"{name}[{key}]" if name else key
            raise ApiError(f"Missing required param: {inner}.", code="parameter_missing", param=inner)


def _alternatives(expected: Any) -> Iterator[Any]:
    if get_origin(expected) in {Union, UnionType}:
        for part in get_args(expected):
            yield from _alternatives(part)
    else:
        yield expected


def _check(value: Any, expected: Any, name: str) -> None:
    """Check a value as it was sent: a string, a list or a dictionary."""
    kinds = list(_alternatives(expected))
    if Any in kinds or object in kinds:
        return
    if isinstance(value, dict):
        _check_dict(value, kinds, name)
    elif isinstance(value, list):
        lists = [kind for kind in kinds if get_origin(kind) is list]
        if not lists:
            _refuse("Invalid object" if any(map(_has_fields, kinds)) else "Invalid string", value, name)
        for index, inner in enumerate(value):
            _check(inner, get_args(lists[0])[0], f"{name}[{index}]")
    else:
        _check_scalar(str(value), kinds, name)


def _check_dict(value: Doc, kinds: list[Any], name: str) -> None:
    objects = [kind for kind in kinds if _has_fields(kind)]
    if objects:
        _check_object(value, objects[0], name)
    elif any(_is_map(kind) for kind in kinds):
        _check_map(value, name)
    else:
        _refuse("Invalid array" if any(get_origin(kind) is list for kind in kinds) else "Invalid string", value, name)


def _has_fields(kind: Any) -> bool:
    """Whether this is a dictionary with named fields. The library's are not those of `typing`, whose `is_typeddict` does not know them."""
    return hasattr(kind, "__required_keys__")


def _is_map(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, dict) and not _has_fields(kind)


def _check_map(values: Doc, name: str) -> None:
    for key, value in values.items():
        if not isinstance(value, str):
            _refuse("Invalid string", value, f"{name}[{key}]")
        if len(key) > MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE:
            raise ApiError(
                f"Metadata keys can have up to {MAX_METADATA_KEY} characters, and values up to {MAX_METADATA_VALUE}.",
                param=f"{name}[{key}]",
            )
    if len(values) > MAX_METADATA_KEYS:
        raise ApiError(f"You can specify up to {MAX_METADATA_KEYS} keys.", param=name)


def _check_scalar(value: str, kinds: list[Any], name: str) -> None:
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if value == "":
        if "" not in choices:
            raise ApiError(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however '{name}' cannot"
                f" be unset. You should remove '{name}' from your request or supply a non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
        return
    allowed = [str(choice) for choice in choices if choice != ""]
    # A type such as `Literal["a", "b"] | str` means these values, and those of later versions of the API.
    scalars = [kind for kind in kinds if kind in {int, float, bool, Decimal, str} and not (kind is str and allowed)]
    if value in allowed or any(_fits(value, kind) for kind in scalars):
        return
    if scalars:
        label = {int: "integer", float: "decimal", bool: "boolean", Decimal: "decimal", str: "string"}[scalars[0]]
        raise ApiError(f"Invalid {label}: {value}", code="parameter_invalid_integer" if label == "integer" else None, param=name)
    if allowed:
        raise ApiError(f"Invalid {name}: must be one of {', '.join(allowed[:-1])} or {allowed[-1]}", param=name)
    if "" in choices and len(kinds) == 1:
        _refuse("Invalid value", value, name)
    _refuse("Invalid array" if any(get_origin(kind) is list for kind in kinds) else "Invalid object", value, name)


def _fits(value: str, kind: type) -> bool:
    if kind is int:
        return value.removeprefix("-").isdecimal()
    if kind is bool:
        return value in {"true", "false"}
    if kind in {float, Decimal}:
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return True


def _refuse(problem: str, value: Any, name: str) -> NoReturn:
    raise ApiError(f"{problem}: {value}" if isinstance(value, str) else problem, param=name)
