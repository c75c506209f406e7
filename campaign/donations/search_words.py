"""Conditions on the words of a name or an email address, without accents and case, as the function search_words (ledger/triggers) writes them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Index, Text, and_, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from campaign.donations.donations import Donation
from campaign.edges.db import db

MOST_WORDS = 8
# What names begin with before an apostrophe: O, D or L.
ELIDED, SHORTEST_ELIDED = ("d", "l", "o"), 4

# Names and addresses stay in the row of the donation alone: the indexes have no copy that would outlive an erasure.
_NAMES = "(((first_name || ' '::text) || last_name) || ' '::text) || organization"  # As PostgreSQL prints it.
_SEARCH_WORDS = text(f"search_words({_NAMES}, email)")
Index("ix_donation_search_words", _SEARCH_WORDS, postgresql_using="gin", _table=Donation.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
_DONATION_WORDS: ColumnElement[Any] = func.search_words(
    Donation.first_name + literal_column("' '") + Donation.last_name + literal_column("' '") + Donation.organization, Donation.email
)
# Few donations have a tribute.
Index(
    "ix_donation_tribute_words",
    text("search_words(tribute_name, ''::text)"),
    postgresql_using="gin",
    postgresql_where=text("tribute_kind IS NOT NULL"),
    _table=Donation.__table__,  # type: ignore[arg-type]  # as above
)
_TRIBUTE_WORDS: ColumnElement[Any] = func.search_words(Donation.tribute_name, literal_column("''"))


def is_of_words(typed: str) -> ColumnElement[bool] | None:
    """The condition that a donation has these words; None for a text without any."""
    query = words_query(typed)
    return None if query is None else _DONATION_WORDS.bool_op("@@")(query)


def has_whole_words(typed: str) -> ColumnElement[bool] | None:
    """The condition that a donation has these very words, not only their beginnings; None for a text without any, and for an email address."""
    words = _longer_words(typed)
    query = cast(" & ".join(map(_quoted, words)), TSQUERY)
    return _DONATION_WORDS.bool_op("@@")(query) if words and "@" not in typed else None


def is_one_word(typed: str) -> bool:
    """Whether the text is a single word, for which the index has all that it finds in one place."""
    return len(_longer_words(typed)) == 1


def is_in_tribute(typed: str) -> ColumnElement[bool] | None:
    """The condition that the name in a donation’s tribute has these words; None for a text without any."""
    query = words_query(typed)
    return None if query is None else and_(Donation.tribute_kind.is_not(None), _TRIBUTE_WORDS.bool_op("@@")(query))


def words_query(typed: str) -> ColumnElement[object] | None:
    """What a search_words vector must match for the typed words; None for a text without any."""
    words, addresses = _read_words(typed)
    alternatives = [] if "@" in typed else [" & ".join(map(_from_beginning, _longer_words(typed))), *_spelled_otherwise(words)]
    if addresses and len(typed.split()) == 1:
        alternatives.append(_from_beginning(addresses[0]))
    # Once each: a word alone is also the beginning of an address, and the index would be read for both.
    query = " | ".join(f"({alternative})" for alternative in dict.fromkeys(alternatives) if alternative)
    return cast(query, TSQUERY) if query else None


def _longer_words(typed: str) -> Sequence[str]:
    """The words without single letters, such as the first one of D'Arcy, which begin too many words to say which; these if there are no others."""
    words, _ = _read_words(typed)
    return ([word for word in words if len(word) > 1] or words)[:MOST_WORDS]


def _spelled_otherwise(words: Sequence[str]) -> Iterator[str]:
    """The words as one, as McKenzie is written by others Mc Kenzie; and one word as two, as O’Neil is typed oneil, d’Arcy darcy."""
    if len(words) == 2:
        yield from map(_from_beginning, {words[0] + words[1], words[1] + words[0]})  # A vector has them in no order.
    if len(words) == 1 and len(words[0]) >= SHORTEST_ELIDED and words[0].startswith(ELIDED):
        yield f"'{words[0][0]}' & {_from_beginning(words[0][1:])}"


@lru_cache(maxsize=32)  # A search asks several times for the same text, whose words never change.
def _read_words(typed: str) -> tuple[Sequence[str], Sequence[str]]:
    words, addresses = db.session.execute(
        select(
            func.tsvector_to_array(func.search_words(typed, ""), type_=ARRAY(Text)),
            func.tsvector_to_array(func.search_words("", typed.strip()), type_=ARRAY(Text)),
        )
    ).one()
    return words, addresses


def _from_beginning(word: str) -> str:
    return f"{_quoted(word)}:*"


def _quoted(word: str) -> str:
    quoted = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'"
