"""The text of a page as staff write it: its blocks, and which of its addresses are links. A link is to https or to an email address, or is none."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.rules.page_text import Block, BlockKind, Piece, blocks_of, pieces_of
from tests.scale import examples


def links_in(line: str) -> list[str]:
    return [piece.url for piece in pieces_of(line) if piece.url]


def shown(block: Block) -> list[str]:
    return ["".join(piece.text for piece in line) for line in block.lines]


def test_a_text_has_headings_paragraphs_and_lists() -> None:
    text = "First line\nand second.\n\n## Heading\nAt once.\n- one\n  goes on\n- two\n## Last\n\n \n- alone"
    assert [(block.kind.value, shown(block)) for block in blocks_of(text)] == [
        ("paragraph", ["First line and second."]),
        ("heading", ["Heading"]),
        ("paragraph", ["At once."]),
        ("list", ["one goes on", "two"]),
        ("heading", ["Last"]),
        ("list", ["alone"]),
    ]
    assert blocks_of("") == blocks_of(" \n\n\t") == []
    assert [block.kind for block in blocks_of("#no heading\n\n-no item\n\n### nor this")] == [BlockKind.PARAGRAPH] * 3


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("See https://a.ca/x_(y).", ["https://a.ca/x_(y)"]),
        ("(https://b.org/), or https://c.org?x=1&y=2;", ["https://b.org/", "https://c.org?x=1&y=2"]),
        ("« https://a.ca/é » https://a.ca:8000/b", ["https://a.ca/é", "https://a.ca:8000/b"]),
        ("Écrivez à aide@exemple.ca.", ["mailto:aide@exemple.ca"]),
        ("https://a.ca/a@b", ["https://a.ca/a@b"]),
    ],
)
def test_bare_addresses_are_links_without_the_marks_around_them(line: str, found: list[str]) -> None:
    assert links_in(line) == found
    assert "".join(piece.text for piece in pieces_of(line)) == line


@pytest.mark.parametrize(
    "line",
    [
        *("javascript:alert(1)", "JAVASCRIPT:https//a.ca", "data:text/html,https", "http://a.ca", "//a.ca", "ftp://a.ca", "vbscript:x"),
        *("javascript:https://a.ca", "xhttps://a.ca", "https://good.ca@evil.org", "https://user:word@evil.org", "https://аpple.com"),
        *("https://", "https://localhost", "https:// a.ca", "https://-a.ca", "a@b@c.ca", "https://a.ca%2eevil.org", "www.a.ca"),
    ],
)
def test_what_is_no_plain_https_address_is_text(line: str) -> None:
    assert pieces_of(line) == [Piece(text=line)]


@given(st.text(alphabet=st.sampled_from('htps:/javcrip()@."<>% \nае-#a1.?&=’»\u00a0'), max_size=80))
@settings(max_examples=examples(300))
def test_whatever_is_typed_nothing_is_lost_and_each_link_is_what_it_shows(text: str) -> None:
    line = f"{text} https://{text}"
    pieces = pieces_of(line)
    assert "".join(piece.text for piece in pieces) == line
    for piece in pieces:
        if piece.url:
            assert piece.url in {piece.text, f"mailto:{piece.text}"}
            assert urlsplit(piece.url).scheme in {"https", "mailto"} and not re.search(r"[\s<>\"']", piece.url)
            assert urlsplit(piece.url).username is None
    words = " ".join(" ".join(shown(block)) for block in blocks_of(text)).split()
    assert [word for word in words if word not in text.split()] == []


def test_a_long_text_is_read_in_an_instant() -> None:
    for text in ("https://" + "a" * 10_000, "a." * 5_000 + "@", "-".join(["https://a"] * 1_200), "a" * 10_000 + "@", "- " * 5_000):
        assert "".join(piece.text for piece in pieces_of(text)) == text
