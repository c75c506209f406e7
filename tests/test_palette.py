"""The colors of pages, light and dark: each pair that text and marks are shown in has the contrast that WCAG 2.2 asks for (1.4.3, 1.4.11)."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).resolve().parents[1] / "campaign" / "web" / "static" / "site.css").read_text()
TEXT = [
    *((ink, on) for ink in ("ink", "heading", "muted", "link", "link-hover", "wrong", "gold-ink") for on in ("paper", "surface")),
    *((ink, "good-soft") for ink in ("ink", "heading", "good-ink", "gold-ink", "link")),
    *((ink, "gold-soft") for ink in ("ink", "heading", "gold-ink", "link", "wrong", "muted")),
    *((ink, "wrong-soft") for ink in ("ink", "wrong-ink")),
    *(("button-ink", on) for on in ("button", "button-hover")),
    ("code-ink", "code"),
    ("banner-ink", "banner"),
    *(("surface", on) for on in ("muted", "ink")),
    *((ink, "band") for ink in ("band-ink", "band-soft")),
]
MARKS = [
    *((mark, on) for mark in ("border", "given", "gold", "ring", "wrong", "link") for on in ("paper", "surface")),
    ("given", "track"),
    ("gold", "gold-soft"),
]


def palette(scheme: str) -> dict[str, str]:
    """The colors of a scheme by their names; dark ones are those after the query."""
    light, _, rest = CSS.partition("@media screen and (prefers-color-scheme: dark)")
    block = {"light": light, "dark": rest.partition("\n}")[0]}[scheme]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colors by WCAG 2.2."""

    def luminance(color: str) -> float:
        parts = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (MARKS, 3.0)])
def test_every_pair_has_its_contrast(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    colors = palette(scheme)
    low = {pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < least} == {}


def test_both_schemes_have_the_same_colors_and_rules_use_no_others() -> None:
    assert palette("light").keys() == palette("dark").keys()
    rules = CSS[CSS.index(".serif") :]
    fixed = re.findall(r"[^{}]*\{[^{}]*#[0-9a-fA-F]{3,6}\b[^{}]*\}", rules)
    allowed = (".qr ", "img.printed ", "img.logo ", "body { background: #fff; }")  # Pictures on white paper, and print.
    assert [rule.strip() for rule in fixed if not any(part in rule for part in allowed)] == []
