"""The form of a campaign as it was typed: its columns, and the error of each field. Nothing typed is lost, and nothing is guessed."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import current_app, request
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.edges import pdf
from campaign.rules import money, typed_text
from campaign.texts.characters import describe_forbidden, describe_unprintable
from campaign.web.languages import LANGUAGES, current_language

LONGEST = {"title": 120, "lead": 500, "story": 8000, "slug": 60, "cause": 60, "patient_words": 400, "patient_name": 80}
PATIENT = ("patient_words", "patient_name")
PRESETS = tuple(f"preset_{number}" for number in range(1, 7))
SWITCHES = ("match_counts", "takes_bank_debits", "holds_match")
AMOUNTS = ("goal_cents", "minimum_cents", "maximum_cents", "fee_fixed_cents", "hold_checkout_cents")
# The least and the most of each.
NUMBERS = {
    "hold_share_percent": (0, 100),
    "hold_checkout_percent": (0, 100),
    "hold_period_factor": (1, 20),
    "hold_period_minutes": (1, 1440),
    "holds_per_email": (1, 1000),
    "holds_per_address": (1, 10_000),
}
MOST_CENTS = 1_000_000_000_00
MOST_FEE_HUNDREDTHS = 10_00
ADVANCED = ("holds_match", *NUMBERS, "hold_checkout_cents")
COLUMNS = (
    *(
        "slug",
        "title_en",
        "title_fr",
        "lead_en",
        "lead_fr",
        "story_en",
        "story_fr",
        "cause_en",
        "cause_fr",
        "presets_cents",
        "fee_percent_hundredths",
    ),
    *(f"{name}_{of}" for name in PATIENT for of in LANGUAGES),
    *(*AMOUNTS, *SWITCHES, *NUMBERS, "next_goal_cents"),
)
_PLURALS = {"les", "des", "mes", "nos", "vos", "ces"}
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class CampaignForm:
    """The fields as typed, the error of each, and the columns that are right. `stored` is what somebody else has changed meanwhile, by field."""

    typed: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def has_advanced_errors(self) -> bool:
        """Whether a field is wrong that is not in sight."""
        return any(name in self.errors for name in ADVANCED)


def form_of(campaign: Campaign, *, version: str) -> CampaignForm:
    """The form with what is stored."""
    return CampaignForm(typed=typed_of(campaign), version=version)


def typed_of(campaign: Campaign) -> dict[str, str]:
    """What is stored, as a person types it."""
    language = current_language()
    typed = {name: str(getattr(campaign, name)) for name in (*NUMBERS, "slug")}
    typed |= {
        f"{name}_{of}": getattr(campaign, f"{name}_{of}") for name in ("title", "lead", "story", "cause", *PATIENT) for of in LANGUAGES
    }
    typed |= {name: money.format_typed(getattr(campaign, name), language) for name in AMOUNTS}
    typed["next_goal_cents"] = money.format_typed(campaign.next_goal_cents, language) if campaign.next_goal_cents else ""
    typed |= {name: "yes" if getattr(campaign, name) else "" for name in SWITCHES}
    typed["fee_percent_hundredths"] = money.format_typed(campaign.fee_percent_hundredths, language)
    presets = [money.format_typed(cents, language) for cents in campaign.presets_cents]
    return typed | dict(zip(PRESETS, [*presets, *[""] * len(PRESETS)], strict=False))


def read_form(*, slug: str | None) -> CampaignForm:
    """The posted form. `slug` is the one that stays; without one it is typed, or made from the English title."""
    typed = {
        name: request.form.get(name, "")
        for name in (*SWITCHES, *NUMBERS, *AMOUNTS, *PRESETS, "next_goal_cents", "fee_percent_hundredths", "slug")
    }
    typed = {name: text.strip()[: money.MAX_LENGTH + LONGEST["slug"]] for name, text in typed.items()}
    errors: dict[str, str] = {}
    values: dict[str, Any] = {name: typed[name] == "yes" for name in SWITCHES}

    def read(name: str, parse: Callable[[str], Any], text: str) -> None:
        try:
            values[name] = parse(text)
        except WrongField as error:
            errors[name] = str(error)

    for name in ("title", "lead", "story"):
        for of in LANGUAGES:
            typed[f"{name}_{of}"] = typed_text.clean_lines(request.form.get(f"{name}_{of}"))
            read(f"{name}_{of}", TextRule(LONGEST[name], has_lines=name == "story"), typed[f"{name}_{of}"])
    for of in LANGUAGES:
        typed[f"cause_{of}"] = typed_text.clean_lines(request.form.get(f"cause_{of}"))
        read(f"cause_{of}", _cause, typed[f"cause_{of}"])
    has_patient = any(request.form.get(f"{name}_{of}", "").strip() for name in PATIENT for of in LANGUAGES)
    for name in PATIENT:
        for of in LANGUAGES:
            typed[f"{name}_{of}"] = typed_text.clean_lines(request.form.get(f"{name}_{of}"))
            read(f"{name}_{of}", TextRule(LONGEST[name], has_lines=False) if has_patient else str, typed[f"{name}_{of}"])
    read("next_goal_cents", lambda text: _amount(text) if text else None, typed["next_goal_cents"])
    for name in AMOUNTS:
        read(name, _fee if name == "fee_fixed_cents" else _amount, typed[name])
    for name, (least, most) in NUMBERS.items():
        read(name, _Number(least, most), typed[name])
    read("fee_percent_hundredths", _percent, typed["fee_percent_hundredths"])
    typed["slug"] = typed["slug"] or slug_of(typed["title_en"])
    read("slug", _slug, slug or typed["slug"])
    _read_presets(typed, values, errors)
    _check_order(values, errors)
    return CampaignForm(typed=typed, errors=errors, values=values, version=request.form.get("version", ""))


class WrongField(Exception):
    """A field is not right; the message says what to do."""


@dataclass(frozen=True)
class TextRule:
    """Reads a text of one line or several; raises WrongField for one that is empty, too long, or has what no page can carry."""

    longest: int
    has_lines: bool

    def __call__(self, text: str) -> str:
        if not self.has_lines:
            text = " ".join(text.split())
        if not typed_text.has_words(text):
            raise WrongField(gettext("Please write this in both languages: donors read it in theirs."))
        if len(text) > self.longest:
            raise WrongField(gettext("This is too long. Please write at most %(longest)s characters.", longest=self.longest))
        if character := typed_text.first_forbidden(text, has_lines=self.has_lines):
            raise WrongField(describe_forbidden(character, current_language()))
        if not self.has_lines and (characters := pdf.first_unprintable(text)):
            raise WrongField(describe_unprintable(characters, current_language()))
        return text


def _cause(text: str) -> str:
    cause = TextRule(LONGEST["cause"], has_lines=False)(text)
    first, begins_with = cause[0], cause.casefold().split()[0]
    if first.isupper() and not cause.split()[0].isupper():
        raise WrongField(gettext("Please begin with a small letter: this comes inside a sentence."))
    if begins_with in _PLURALS:
        raise WrongField(gettext("Please write a singular: a sentence says “%(cause)s receives $200”.", cause=cause))
    if cause[-1] in ".,:;!?…":
        raise WrongField(gettext("Please leave out the mark at the end: the sentence goes on."))
    return cause


def _cents(text: str) -> int:
    language = current_language()
    try:
        return money.parse(text, language)
    except money.InvalidMoney:
        raise WrongField(
            gettext("Please write an amount, for example %(example)s.", example=money.format_money(1_234_56, language))
        ) from None


def _amount(text: str) -> int:
    cents = _cents(text)
    if not 0 < cents <= MOST_CENTS:
        most = money.format_money_short(MOST_CENTS, current_language())
        raise WrongField(gettext("Please write an amount of more than zero, and %(most)s at most.", most=most))
    return cents


def _fee(text: str) -> int:
    cents = _cents(text)
    if cents > 10_00:
        raise WrongField(gettext("Please write %(most)s at most.", most=money.format_money_short(10_00, current_language())))
    return cents


def _percent(text: str) -> int:
    """Hundredths of a percent: 2.9 % is 290."""
    found = re.fullmatch(r"([0-9]{1,2})(?:[.,]([0-9]{1,2}))?", text.rstrip("%" + money.SPACES))
    hundredths = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else MOST_FEE_HUNDREDTHS + 1
    if hundredths > MOST_FEE_HUNDREDTHS:
        example = money.format_typed(2_90, current_language())
        raise WrongField(gettext("Please write a percentage from 0 to 10, for example %(example)s.", example=example))
    return hundredths


@dataclass(frozen=True)
class _Number:
    least: int
    most: int

    def __call__(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not self.least <= int(text) <= self.most:
            raise WrongField(gettext("Please write a whole number from %(least)s to %(most)s.", least=self.least, most=self.most))
        return int(text)


def _slug(text: str) -> str:
    adapter = current_app.url_map.bind("")
    is_free = (
        len(text) <= LONGEST["slug"] and text != "new" and _SLUG.fullmatch(text) and adapter.match(f"/en/{text}")[0] == "campaigns.page"
    )
    if not is_free:
        raise WrongField(
            gettext("Please write small letters, digits and hyphens, for example spring-appeal; some words are addresses already.")
        )
    return text


def slug_of(title: str) -> str:
    """An address made from a title."""
    plain = unicodedata.normalize("NFKD", title.replace("œ", "oe").replace("’", "")).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[: LONGEST["slug"]].strip("-")


def _read_presets(typed: Mapping[str, str], values: dict[str, Any], errors: dict[str, str]) -> None:
    presets: list[int] = []
    for name in PRESETS:
        if not typed[name]:
            continue
        try:
            presets.append(cents := _amount(typed[name]))
        except WrongField as error:
            errors[name] = str(error)
            continue
        if "minimum_cents" in values and "maximum_cents" in values and not values["minimum_cents"] <= cents <= values["maximum_cents"]:
            low, high = (money.format_money_short(values[of], current_language()) for of in ("minimum_cents", "maximum_cents"))
            errors[name] = gettext("Please write an amount from %(low)s to %(high)s, or nothing.", low=low, high=high)
    if not any(typed[name] for name in PRESETS):
        errors[PRESETS[0]] = gettext("Please suggest at least one amount.")
    if not any(name in errors for name in PRESETS):
        values["presets_cents"] = sorted(set(presets))


def _check_order(values: Mapping[str, Any], errors: dict[str, str]) -> None:
    if "minimum_cents" in values and "maximum_cents" in values and values["minimum_cents"] > values["maximum_cents"]:
        errors["maximum_cents"] = gettext("The largest gift is smaller than the smallest one.")
    if values.get("next_goal_cents") and "goal_cents" in values and values["next_goal_cents"] <= values["goal_cents"]:
        errors["next_goal_cents"] = gettext("The next goal has to be larger than the goal.")
