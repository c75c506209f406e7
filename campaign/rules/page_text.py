"""The text of a page as staff write it: paragraphs, headings, lists, and which of its addresses become links. It has no other format, and no HTML.

An empty line ends a paragraph, a line that begins with `## ` is a heading, and lines that begin with `- ` are a list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

HEADING, ITEM = "## ", "- "
# A host in ASCII, so that no letter of another alphabet imitates one, and nothing before it, so that none is hidden behind a name and an @.
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?)+"
_PATH = r"[\w\-.~:/?#\[\]@!$&*+,;=%()]*"
_LINK = re.compile(
    rf"(?<![\w@/:.-])(?:(?P<url>https://{_HOST}(?::[0-9]{{1,5}})?(?:[/?#]{_PATH})?)(?![\w@%/])|(?P<email>[A-Za-z0-9._+-]{{1,64}}@{_HOST})(?![\w@-]))"
)
# Of the sentence around an address.
_PUNCTUATION = ".,;:!?"


class PageKind(StrEnum):
    """A page with a text of the charity. The privacy page states what the settings say, and has the charity's text as a section of its own."""

    ACCESSIBILITY = "accessibility"
    REFUNDS = "refunds"
    TERMS = "terms"
    PRIVACY = "privacy"


class BlockKind(StrEnum):
    """What a block of a page is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a line; with an address, a link to it."""

    text: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A heading or paragraph of one line, or a list with a line for each of its items."""

    kind: BlockKind
    lines: list[list[Piece]] = field(default_factory=list)


def blocks_of(text: str) -> list[Block]:
    """The blocks of the text, in its order."""
    return [Block(kind=kind, lines=[pieces_of(line) for line in lines]) for kind, lines in _grouped(text)]


def _grouped(text: str) -> Iterator[tuple[BlockKind, list[str]]]:
    kind, lines = BlockKind.PARAGRAPH, list[str]()
    for line in (*(raw.strip() for raw in text.splitlines()), ""):
        of_line = _kind_of(line)
        continues = line and of_line is BlockKind.PARAGRAPH and lines
        if lines and not continues and not (of_line is kind is BlockKind.LIST):
            yield kind, lines
            lines = []
        if of_line is BlockKind.HEADING:
            yield of_line, [line.removeprefix(HEADING).strip()]
        elif continues:
            lines[-1] = f"{lines[-1]} {line}"
        elif line:
            kind, lines = of_line, [*lines, line.removeprefix(ITEM).strip()]


def _kind_of(line: str) -> BlockKind:
    if line.startswith(HEADING):
        return BlockKind.HEADING
    return BlockKind.LIST if line.startswith(ITEM) else BlockKind.PARAGRAPH


def pieces_of(line: str) -> list[Piece]:
    """The line, with its https and email addresses as links. No other scheme is one."""
    pieces, end = list[Piece](), 0
    for found in _LINK.finditer(line):
        shown = _without_punctuation(found[0])
        pieces += [Piece(text=line[end : found.start()]), Piece(text=shown, url=shown if found["url"] else f"mailto:{shown}")]
        end = found.start() + len(shown)
    return [piece for piece in (*pieces, Piece(text=line[end:])) if piece.text]


def _without_punctuation(address: str) -> str:
    """The address without what ends the sentence that it is in: marks, and a bracket that it does not open."""
    while address[-1] in _PUNCTUATION or (address[-1] == ")" and address.count(")") > address.count("(")):
        address = address[:-1]
    return address
