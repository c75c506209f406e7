"""Expansion of objects that other objects name by id: which paths exist, as the classes of Stripe's own library say, and the values there."""

from collections.abc import Callable
from functools import cache
from inspect import get_annotations
from types import UnionType
from typing import Any, ForwardRef, Union, get_args, get_origin

import stripe

from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store

MAX_LEVELS = 4
# Fields that are no objects and that Stripe nevertheless sends only when they are expanded.
COMPUTED = {("Invoice", "amount_paid_off_stripe")}
_ALIASES = {"CheckoutSession": "checkout.Session", "LineItem": "LineItem"}

Include = Callable[[Store, Doc], Any]
# What is in an object only when `expand` asks for it, by the kind of the object and the field. Modules that have such objects add theirs.
INCLUDED: dict[tuple[str, str], Include] = {}


def check_paths(paths: Any, kind: type, *, is_list: bool) -> None:
    """Raises ApiError for a path of more than four levels, or one that does not lead to an object that can be expanded."""
    for path in paths or []:
        steps = str(path).split(".")
        if len(steps) > MAX_LEVELS:
            raise ApiError("You cannot expand more than 4 levels of a property.", param="expand")
        if not (_leads_to_object([kind], steps[1:]) if is_list and steps[0] == "data" else not is_list and _leads_to_object([kind], steps)):
            hint = f" You may want to try expanding 'data.{path}' instead." if is_list and steps[0] != "data" else ""
            raise ApiError(f"This property cannot be expanded ({path}).{hint}", param="expand")


def _leads_to_object(kinds: list[type], steps: list[str]) -> bool:
    if not steps:
        return False
    found = [field for kind in kinds if (field := _field(kind, steps[0]))]
    following = [target for targets, _ in found for target in targets]
    if len(steps) == 1:
        return any(is_expandable for _, is_expandable in found)
    if steps[1] == "data" and any(is_expandable for _, is_expandable in found):
        return len(steps) == 2 or _leads_to_object(following, steps[2:])
    return _leads_to_object(following, steps[1:])


@cache
def _field(kind: type, name: str) -> tuple[list[type], bool] | None:
    """The classes that a field can contain, and whether it can be expanded; None when there is no such field."""
    if (kind.__name__, name) in COMPUTED:
        return [], True
    annotation = next((own[name] for base in kind.__mro__ if name in (own := get_annotations(base))), None)
    if annotation is None:
        return None
    leaves = list(_leaves(annotation))
    names = [leaf.__forward_arg__ for leaf in leaves if isinstance(leaf, ForwardRef)]
    inner = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, stripe.StripeObject)]
    is_list_object = stripe.ListObject in inner
    classes = [found for found in map(_class_of, names) if found] + [found for found in inner if found is not stripe.ListObject]
    return classes, bool(names) and (str in leaves or is_list_object)


def fields_of(kind: type) -> dict[str, list[type]]:
    """The fields of a class of the library, with the classes of the objects that each can contain."""
    annotated = [get_annotations(base) for base in kind.__mro__ if issubclass(base, stripe.StripeObject)]
    found = {name: _field(kind, name) for annotations in annotated for name in annotations if not name.startswith("_")}
    return {name: field[0] for name, field in found.items() if field}


def _leaves(annotation: Any) -> list[Any]:
    """The types that an annotation consists of. One that is only the name of a class, as in `price: "Price"`, is a string."""
    if isinstance(annotation, str):
        return [ForwardRef(annotation)] if annotation.isidentifier() else []
    origin = get_origin(annotation)
    if origin is None:
        return [annotation]
    inner = [leaf for part in get_args(annotation) for leaf in _leaves(part)]
    return [origin, *inner] if origin not in {Union, UnionType, list} else inner


def _class_of(name: str) -> type | None:
    found: Any = stripe
    for part in _ALIASES.get(name, name).split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def expanded(store: Store, doc: Doc, paths: Any) -> Doc:
    """The object with what is at these paths in place of its ids. The paths are those of one object, without `data.` of a list."""
    for path in paths or []:
        doc = _expand(store, doc, str(path).split("."))
    return doc


def _expand(store: Store, value: Any, steps: list[str]) -> Any:
    if isinstance(value, str) and (inner := store.get(value)):
        value = public(inner)
    if isinstance(value, list):
        return [_expand(store, inner, steps) for inner in value]
    if not steps or not isinstance(value, dict):
        return value
    step, rest = steps[0], steps[1:]
    include = INCLUDED.get((str(value.get("object")), step))
    if include and step not in value:
        value = {**value, step: include(store, value)}
    return {**value, step: _expand(store, value[step], rest)} if step in value else value
