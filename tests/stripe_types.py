"""The types of Stripe's own library as a contract: what a request may contain, and what an object of Stripe must contain.

Requests are checked against `stripe.params`, with the limits that their docstrings state; objects against the annotations of the response
classes. Both are generated from Stripe's OpenAPI specification, so they share nothing with the service or its sandbox.
"""

import ast
import inspect
import itertools
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from stripe import ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

Document = dict[str, Any]
Path = tuple[str | int, ...]

# Names that the modules of parameters use in annotations and do not import.
PLAIN_NAMES = {"Mapping": Mapping, "Any": Any, "Literal": Literal}
RANGE = re.compile(r"between (\d+) and (\d+)")
LENGTH = re.compile(r"(?:up to|maximum of|at most) (\d+) (?:characters|strings|line items|subscription items|URLs)", re.IGNORECASE)
# https://docs.stripe.com/metadata
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500


class Names(dict[str, Any]):
    """The names of a module of the library, with those that it imports only for type checkers."""

    def __init__(self, module: str) -> None:
        super().__init__(PLAIN_NAMES)
        self._imports: dict[str, tuple[str, str]] = {}
        for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
            if isinstance(node, ast.ImportFrom) and node.module:
                self._imports |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}

    def __missing__(self, name: str) -> Any:
        module, original = self._imports[name]
        return getattr(import_module(module), original)


@cache
def _names(module: str) -> Names:
    return Names(module)


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """The annotations of a response class or of a TypedDict of parameters, resolved."""
    options = RequestOptions.__annotations__.keys() if is_typeddict(cls) else set()
    own = {name: annotation for name, annotation in cls.__annotations__.items() if name not in options}
    bare = type("Bare", (), {"__annotations__": own})
    hints = get_type_hints(bare, dict(vars(sys.modules[cls.__module__])), _names(cls.__module__), include_extras=True)
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def class_of(kind: str) -> type:
    """The response class of a kind of object, such as `checkout.session`."""
    module, name = OBJECT_CLASSES[kind]
    found: type = getattr(import_module(module), name)
    return found


def members_of(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of an annotation. `Literal[...] | str` in Stripe's types means the literals that are known today: they alone count."""
    if get_origin(annotation) in {NotRequired, Required}:
        return members_of(get_args(annotation)[0])
    if get_origin(annotation) not in {Union, UnionType}:
        return (annotation,)
    members = get_args(annotation)
    is_enumerated = any(get_origin(member) is Literal and "" not in get_args(member) for member in members)
    return tuple(member for member in members if not (is_enumerated and member is str))


def is_optional(annotation: Any) -> bool:
    """Whether Stripe may send null for a field, or leave it out."""
    return NoneType in members_of(annotation)


def is_expandable(kind: str, name: str) -> bool:
    """Whether a field of an object is the id of another object, or a list of objects, that a request may ask to include."""
    members = members_of(fields_of(class_of(kind)).get(name))
    return any(get_origin(member) is ListObject or "OBJECT_NAME" in vars(member) for member in members if hasattr(member, "__dict__"))


def request_faults(params: Any, sent: dict[str, Any]) -> list[str]:
    """What of a form-encoded request, decoded into dictionaries and lists, its parameter type does not allow."""
    return [*_dict_faults(sent, params, "", is_form=True), *_metadata_faults(sent)]


def object_faults(value: dict[str, Any]) -> list[str]:
    """What of an object of Stripe its response class does not allow."""
    return list(_dict_faults(value, class_of(value["object"]), value["object"], is_form=False))


def faults(value: Any, annotation: Any, where: str, *, is_form: bool = False) -> list[str]:
    """What of a value its annotation does not allow."""
    best: list[str] | None = None
    for member in members_of(annotation):
        found = list(_member_faults(value, member, where, is_form=is_form))
        if not found:
            return []
        # The alternative of the same shape says the most: what it finds is further inside.
        if best is None or not found[0].startswith(f"{where}: "):
            best = found
    return best or []


def _member_faults(value: Any, member: Any, where: str, *, is_form: bool) -> Iterator[str]:
    origin, args = get_origin(member), get_args(member)
    if origin is Literal:
        if value not in args and not (is_form and value in [str(arg).lower() for arg in args]):
            yield f"{where}: {value!r} is not a known value"
    elif origin in {list, ListObject}:
        yield from _list_faults(value, member, where, is_form=is_form)
    elif origin in {dict, Mapping, UntypedStripeObject}:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is not a dictionary"
        else:
            for key, inner in value.items():
                yield from faults(inner, args[-1], f"{where}.{key}", is_form=is_form)
    elif is_typeddict(member) or is_response(member):
        yield from _dict_faults(value, member, where, is_form=is_form)
    elif not _is_scalar(value, member, is_form=is_form):
        yield f"{where}: {value!r} is not {getattr(member, '__name__', member)}"


def _list_faults(value: Any, member: Any, where: str, *, is_form: bool) -> Iterator[str]:
    items = value
    if get_origin(member) is ListObject:
        if not isinstance(value, dict) or value.keys() != {"object", "data", "has_more", "url"} or value["object"] != "list":
            yield f"{where}: {value!r} is not a list object"
            return
        items = value["data"]
    if not isinstance(items, list):
        yield f"{where}: {items!r} is not a list"
        return
    for item in items:
        yield from faults(item, get_args(member)[0], f"{where}[]", is_form=is_form)


def _dict_faults(value: Any, cls: Any, where: str, *, is_form: bool) -> Iterator[str]:
    kind = getattr(cls, "OBJECT_NAME", None)
    if not isinstance(value, dict) or (kind and value.get("object") != kind):
        yield f"{where}: {value!r} is not {cls.__name__}"
        return
    where = kind or where
    fields, limits = fields_of(cls), limits_of(cls) if is_form else {}
    yield from (f"{where}.{name}: unknown" for name in value.keys() - fields.keys())
    required = cls.__required_keys__ if is_form else {name for name, annotation in fields.items() if not is_optional(annotation)}
    yield from (f"{where}.{name}: missing" for name in required - value.keys())
    for name in fields.keys() & value.keys():
        yield from faults(value[name], fields[name], f"{where}.{name}", is_form=is_form)
        if name in limits:
            low, high = limits[name]
            measure = int(value[name]) if str(value[name]).isdigit() and low else len(value[name])
            if not low <= measure <= high:
                yield f"{where}.{name}: {measure} is not between {low} and {high}"


def _is_scalar(value: Any, member: Any, *, is_form: bool) -> bool:
    if member is Any:
        return True
    if member is NoneType:
        return value is None
    if member is Decimal or member is float:
        return not isinstance(value, bool) and _is_number(value)
    if is_form and member in {int, bool}:
        return isinstance(value, str) and bool(re.fullmatch(r"-?\d+" if member is int else "true|false", value))
    return type(value) is member


def _is_number(value: Any) -> bool:
    try:
        return Decimal(value).is_finite()
    except (InvalidOperation, TypeError, ValueError):
        return False


def _metadata_faults(sent: Any) -> Iterator[str]:
    for name, value in sent.items() if isinstance(sent, dict) else ():
        if name == "metadata" and isinstance(value, dict):
            if len(value) > METADATA_KEYS:
                yield f"metadata: {len(value)} keys"
            for key, text in value.items():
                if len(key) > METADATA_KEY_LENGTH or len(text) > METADATA_VALUE_LENGTH or "[" in key or "]" in key:
                    yield f"metadata.{key}: too long, or with brackets"
        yield from _metadata_faults(value)


@cache
def limits_of(cls: type) -> dict[str, tuple[int, int]]:
    """The least and greatest value or length of parameters, as far as their docstrings state them."""
    found: dict[str, tuple[int, int]] = {}
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__)
    for field, following in itertools.pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(following, ast.Expr):
            continue
        text = str(getattr(following.value, "value", ""))
        if bounds := RANGE.search(text):
            found[ast.unparse(field.target)] = (int(bounds[1]), int(bounds[2]))
        elif length := LENGTH.search(text):
            found[ast.unparse(field.target)] = (0, int(length[1]))
    return found


def optional_paths(value: Any, annotation: Any = None, path: Path = ()) -> Iterator[Path]:
    """The paths of the fields of an object, nested ones included, that Stripe may send as null or leave out."""
    if annotation is None:
        annotation = class_of(value["object"])
    for member in members_of(annotation):
        if get_origin(member) is list and isinstance(value, list):
            for index, item in enumerate(value):
                yield from optional_paths(item, get_args(member)[0], (*path, index))
        elif get_origin(member) is ListObject and isinstance(value, dict):
            yield from optional_paths(value.get("data"), list[get_args(member)[0]], (*path, "data"))  # type: ignore[misc]
        elif is_response(member) and isinstance(value, dict) and getattr(member, "OBJECT_NAME", value.get("object")) == value.get("object"):
            for name, field in fields_of(member).items():
                if is_optional(field):
                    yield (*path, name)
                yield from optional_paths(value.get(name), field, (*path, name))


def is_response(annotation: Any) -> bool:
    """Whether an annotation is a response class, or a class within one."""
    return isinstance(annotation, type) and issubclass(annotation, StripeObject)


@dataclass(frozen=True, kw_only=True)
class Change:
    """Fields of a document that are null, or absent."""

    paths: tuple[Path, ...]
    is_absent: bool

    def apply(self, document: Document) -> Document:
        changed: Document = json.loads(json.dumps(document))
        for path in sorted(self.paths, key=len, reverse=True):
            at: Any = changed
            for step in path[:-1]:
                at = at[step]
            if self.is_absent:
                at.pop(path[-1], None)
            else:
                at[path[-1]] = None
        return changed


def changes_together(document: Document) -> list[Change]:
    """All optional fields null or absent, and only the innermost."""
    paths = paths_of(document)
    innermost = [path for path in paths if not any(other[: len(path)] == path for other in paths if other != path)]
    return [Change(paths=tuple(chosen), is_absent=is_absent) for chosen in (paths, innermost) for is_absent in (False, True)]


def changes_of(document: Document) -> list[Change]:
    """Each optional field null, each absent; then all of them."""
    single = [Change(paths=(path,), is_absent=is_absent) for path in paths_of(document) for is_absent in (False, True)]
    return [change for change in single if change.apply(document) != document] + changes_together(document)


def paths_of(document: Document) -> list[Path]:
    if document["object"] != "list":
        return list(optional_paths(document))
    return [("data", number, *path) for number, item in enumerate(document["data"]) for path in optional_paths(item)]
