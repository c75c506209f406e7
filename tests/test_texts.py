"""All texts of both languages: typography, one word for one meaning, and sentences that read well with any name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from campaign.texts.causes import describe_cause

ROOT = Path(__file__).resolve().parents[1]
CATALOGUES = (ROOT / "translations", ROOT / "campaign" / "devstack" / "sandbox" / "translations")
TEMPLATES = sorted(path for path in (ROOT / "templates").glob("**/*.html") if path.parent.name != "mail")
# Placeholders for what people are called: a name may end with a period, as Cycle Ltd. or Hélène Q. do.
NAMES = r"%\((?:name|old_name|organization|charity|officer|fund|funder|donor|tribute)\)s"
AMOUNTS = r"%\((?:amount|match|later|held|more|added|left)\)s"
# Those, and others whose first letter no text knows.
BEGINS_AS_IT_LIKES = r"%\((?:name|old_name|organization|charity|officer|fund|funder|donor|tribute|other|who|email|reason|campaign)\)s"


# Of texts for names whose first letter is known (texts/dedications.py).
BEFORE_A_CONSONANT = "before a consonant"


def texts() -> Iterator[tuple[str, str]]:
    """Each text in English and French."""
    for catalogue in CATALOGUES:
        with (catalogue / "fr" / "LC_MESSAGES" / "messages.po").open("rb") as file:
            for message in read_po(file, locale="fr"):
                if message.id and message.context != BEFORE_A_CONSONANT:
                    forms = [pair if isinstance(pair, (tuple, list)) else (pair,) for pair in (message.id, message.string)]
                    yield from zip(*forms, strict=True)


ENGLISH, FRENCH = ([pair[index] for pair in texts()] for index in (0, 1))


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("English", r"\b[Ee]-mail|\b[Mm]ail(?:s|ed)?\b(?! server)"),
        # A name that ends with a period would have two marks.
        ("English", rf"{NAMES}[.!?]"),
        ("French", rf"{NAMES}[.!?]"),
        ("English", "'"),
        ("French", "'"),
        # A name may be plural, or take an article: nothing before it contracts with an article, and nothing after it agrees with it.
        ("English", r"(?:^|[.:!?] )%\((?:fund|charity|campaign|organization)\)s (?!pledged\b)[\w%]"),
        ("French", r"(?:^|[.:!?;]\s)%\((?:fund|charity|campaign|organization)\)s \w"),
        ("French", r"\b(?:[Àà]|[Dd]u|[Aa]ux?|[Dd]es|[Pp]our|[Pp]ar) %\((?:fund|charity|campaign|organization)\)s"),
        # Nor does anything agree with an amount, which may be below two dollars and so singular.
        ("French", rf"{AMOUNTS}(?: [\w’]+){{0,4}} (?:ont|sont|seront|avaient|restent|s’ajoutent)\b"),
        ("French", r"\b(?:s’ajoutent|restent|ont|sont) " + AMOUNTS),
        ("French", r"nº "),
        # What goes from a card or an account is `prélevé`.
        ("French", r"\bdébitée?s?\b"),
        # A colon takes a no-break space before it, except in a time, an address or a name of a program.
        ("French", r"[^\u00a0\d\w]:|\w:(?=\s|$)"),
        # De and que lose their e before a vowel, as names and reasons may begin with one.
        ("French", r"\b(?:[Dd]e|[Qq]ue) " + BEGINS_AS_IT_LIKES),
        ("French", r"«(?!\u00a0)|(?<!\u00a0)»"),
        ("French", r"«[^»]*«"),
        ("French", r"[\s\u202f][;!?]"),
        # Of money: `conservé` is retained, `retourné` returned, `remboursé` refunded.
        ("French", r"\b[Rr]endu(?:e?s?)\b|\b[Rr]endre\b(?! compte)|\b[Gg]ardée?s?\b"),
    ],
)
def test_no_text_has(where: str, wrong: str) -> None:
    found = [text for text in {"English": ENGLISH, "French": FRENCH}[where] if re.search(wrong, text)]
    assert found == []


def test_each_word_for_money_that_moved_back_has_one_translation() -> None:
    words = {r"\b[Rr]etained\b": "onserv", r"\b[Rr]eturned\b": "etour", r"\b[Rr]efund": "embours"}
    # An information return is a form, and a return to a page moves no money.
    other = ("information return about a returned", "J’ai")
    wrong = [
        (english, french)
        for english, french in texts()
        for word, stem in words.items()
        if re.search(word, english) and stem not in french and not french.startswith(other)
    ]
    assert wrong == []


def test_what_is_recorded_and_what_is_no_receipt_yet_have_one_word_each() -> None:
    """The audit trail is `piste d’audit`, and `journal` the log of programs; what shows how a receipt looks is a `spécimen`; pages have an `aperçu`."""
    words = {r"\baudit trail\b": "piste d’audit", r"\blogs?\b": "journa", r"\b(?:sample|SAMPLE)\b(?! street)": "spécimen"}
    wrong = [
        (one, french) for one, french in texts() for word, said in words.items() if re.search(word, one) and said not in french.lower()
    ]
    assert wrong == []
    assert [french for english, french in texts() if "journa" in french.lower() and not re.search(r"\blogs?\b|[Jj]ournal", english)] == []
    assert [french for english, french in texts() if re.search(r"\baperçus?\b", french, re.IGNORECASE) and "review" not in english] == []


def test_templates_add_no_punctuation_to_what_they_show() -> None:
    """A colon or period behind a value is a text's own affair: French sets it apart, and a name may have one already."""
    added = re.compile(r"\}\}(?:</\w+>)*[:.](?=[\s<])|\}\}\{% if [^%]+%\}: ")
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path in TEMPLATES for match in added.finditer(path.read_text())]
    assert found == []


def test_the_rules_find_what_they_are_for() -> None:
    for wrong, text in (
        (rf"{NAMES}[.!?]", "Merci, %(name)s!"),
        (rf"{AMOUNTS}(?: [\w’]+){{0,4}} (?:ont|sont)\b", "%(amount)s du don ont été remboursés."),
        (r"[^\u00a0\d\w]:|\w:(?=\s|$)", "Nom sur le reçu:"),
        (r"«[^»]*«", "« a « b » »"),
        (r"\bde " + BEGINS_AS_IT_LIKES, "Don de %(name)s"),
    ):
        assert re.search(wrong, text)


def test_every_table_stacks_on_a_phone_with_the_names_of_columns() -> None:
    """A cell without the name of its column says by itself what it is."""
    wrong = []
    for path in TEMPLATES:
        for table in re.findall(r"<table class=.*?</table>", path.read_text(), re.DOTALL):
            body = table.partition("<tbody>")[2].partition("</tbody>")[0]
            cells = re.findall(r"<td\b[^>]*>", body)
            if "stack" not in table.partition(">")[0] or sum("data-label" not in cell for cell in cells) > 2:
                wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []


def test_staff_read_the_cause_of_each_event_in_words() -> None:
    for cause, words in {
        "polled:cs_test_1": "read at Stripe",
        "evt_1": "Stripe reported it",
        "refund_ab": "a refund that staff asked for",
    }.items():
        assert describe_cause(cause, "en") == words
        assert describe_cause(cause, "fr") not in {"", words}
    assert [describe_cause(cause, "en") for cause in ("begun", "rematch/refund", "seed")] == ["", "", ""]
