"""Fields of forms of staff as they were typed, with what they mean and what is wrong with them, so that nothing typed is lost."""

from dataclasses import dataclass
from datetime import date

from flask import Flask, Response, g, make_response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.rules import local_time, typed_text
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.money import InvalidMoney, format_money, format_money_short, parse
from campaign.texts.characters import describe_forbidden
from campaign.web.languages import current_language

LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class TypedLine:
    """One line of text."""

    text: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class TypedAmount:
    """An amount; `cents` is of a valid one."""

    text: str = ""
    cents: int = 0
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class TypedDay:
    """A day; `day` is of a valid one."""

    text: str = ""
    day: date = date.min
    error: str = ""


def read_line(name: str, *, longest: int, empty: str) -> TypedLine:
    """The posted line in NFC. `empty` is the error of one that is empty, too long, or has a line end."""
    text = " ".join(typed_text.clean(request.form.get(name)).split())
    if not typed_text.has_words(text) or len(text) > longest:
        return TypedLine(text=text[:longest], error=empty)
    if character := typed_text.first_forbidden(text):
        return TypedLine(text=text, error=describe_forbidden(character, current_language()))
    return TypedLine(text=text)


def read_text(name: str, *, longest: int, empty: str = "") -> TypedLine:
    """The posted text, which may have lines. `empty` is the error of one that is empty; without it, it may be."""
    text, error = typed_text.clean_lines(request.form.get(name)).strip(), ""
    if empty and not typed_text.has_words(text):
        error = empty
    elif len(text) > longest:
        error = gettext("This is too long. Please write at most %(longest)s characters.", longest=longest)
    elif character := typed_text.first_forbidden(text, has_lines=True):
        error = describe_forbidden(character, current_language())
    return TypedLine(text=text, error=error)


def init_app(app: Flask) -> None:
    """Let templates show a reason that was refused at its field."""
    app.jinja_env.globals["typed_reason"] = typed_reason
    app.jinja_env.globals["is_posted_to"] = is_posted_to
    app.jinja_env.globals["typed_line"] = typed_line


def read_reason_line(*, missing: str = "") -> TypedLine:
    """The posted reason, in one line. `missing` is the error of one that is empty, of a field with another name."""
    reason = " ".join(request.form.get("reason", "").split())
    error = ""
    if not reason:
        error = missing or gettext("The reason is missing. Please say why, in one line.")
    elif len(reason) > LONGEST_REASON:
        error = gettext("This is too long. Please write at most %(longest)s characters.", longest=LONGEST_REASON)
    elif character := next((c for c in reason if not c.isprintable()), ""):
        error = describe_forbidden(character, current_language())
    return TypedLine(text=reason, error=error)


def read_reason(*, missing: str = "") -> str:
    """The posted reason; empty when it is refused: its form, shown again, then has it as it was typed and what is wrong (`typed_reason`)."""
    g.typed_reason = read_reason_line(missing=missing)
    return "" if g.typed_reason.error else str(g.typed_reason.text)


def refuse_line(name: str, line: TypedLine) -> None:
    """Let the page that this request shows again have what was typed into the field with this name, and what is wrong with it."""
    g.typed_lines = {**g.get("typed_lines", {}), name: line}


def typed_line(name: str) -> TypedLine:
    """What was typed into the field with this name in this request, if it was refused; else empty."""
    lines: dict[str, TypedLine] = g.get("typed_lines", {})
    return lines.get(name, TypedLine())


def refused(page: ResponseReturnValue) -> Response:
    """The page with a form that was refused, whose fields have what was typed."""
    response = make_response(page)
    response.status_code = 422
    return response


def is_posted_to(action: str) -> bool:
    """Whether this request was posted to the address `action` of a form."""
    return request.method == "POST" and request.path == action.partition("?")[0]


def typed_reason(action: str) -> TypedLine:
    """The reason that was posted to this address in this request; empty for other forms of the page."""
    return g.get("typed_reason", TypedLine()) if is_posted_to(action) else TypedLine()


def read_amount(*, most_cents: int) -> TypedAmount:
    """The posted amount, of more than zero."""
    typed, language = request.form.get("amount", "").strip(), current_language()
    try:
        cents = parse(typed, language)
    except InvalidMoney:
        example = format_money(1_234_56, language)
        return TypedAmount(text=typed, error=gettext("Please write an amount, for example %(example)s.", example=example))
    if not 0 < cents <= most_cents:
        most = format_money_short(most_cents, language)
        return TypedAmount(text=typed, error=gettext("Please write an amount of more than zero, and %(most)s at most.", most=most))
    return TypedAmount(text=typed, cents=cents)


def read_day(name: str, *, example: date) -> TypedDay:
    """The posted day, as browsers send it."""
    typed = request.form.get(name, "").strip()
    try:
        return TypedDay(text=typed, day=local_time.parse_day(typed))
    except InvalidLocalTime:
        return TypedDay(text=typed, error=gettext("Please write a day, for example %(example)s.", example=example.isoformat()))
