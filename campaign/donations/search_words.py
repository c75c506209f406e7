"""Conditions on the words of a name or an email address, without accents and case, as the function search_words (ledger/triggers) writes them."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from campaign.donations.donations import DONATION_WORDS
from campaign.edges.db import db

MOST_WORDS = 8


def is_of_words(typed: str) -> ColumnElement[bool] | None:
    """The condition that a donation has these words; None for a text without any."""
    query = words_query(typed)
    return None if query is None else DONATION_WORDS.bool_op("@@")(query)


def words_query(typed: str) -> ColumnElement[object] | None:
    """What a search_words vector must match for the typed words; None for a text without any."""
    words, addresses = _read_words(typed)
    # A single letter beside words, such as the first one of D'Arcy, begins too many words to say which.
    longer = [word for word in words if len(word) > 1] or words
    alternatives = [] if "@" in typed else [" & ".join(map(_from_beginning, longer[:MOST_WORDS]))]
    if addresses and len(typed.split()) == 1:
        alternatives.append(_from_beginning(addresses[0]))
    query = " | ".join(f"({alternative})" for alternative in alternatives if alternative)
    return cast(query, TSQUERY) if query else None


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
    quoted = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}':*"
