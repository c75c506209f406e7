"""Files of spreadsheets as Excel in English and in French writes them: encodings, separators, days, amounts and headings."""

import pytest

from campaign.rules.import_columns import ImportField, language_of, method_of, recognized_columns
from campaign.rules.imported_files import MOST_BYTES, MOST_COLUMNS, MOST_ROWS, FileFlaw, FileRefused, decode, read_file
from campaign.rules.imported_values import DayOrder, ValueFlaw, ValueRefused, needs_order, order_of, parse_amount, parse_day
from campaign.rules.offline_gifts import OfflineMethod

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac_roman")
FRENCH = 'Prénom;Nom;Adresse;Montant\r\nÉlise;GAGNÉ;"8, rue\r\nde l’Église";1\u00a0234,56\u00a0$\r\n;;;\r\n"François ""Frank""";Forêt-Îlot;«\u00a0A\u00a0»;50,00\r\n'


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_read_in_the_encoding_in_which_excel_wrote_it(encoding: str) -> None:
    file = read_file(FRENCH.encode(encoding))
    assert file.headings == ["Prénom", "Nom", "Adresse", "Montant"]
    assert [(row.number, row.cells) for row in file.rows] == [
        (2, ["Élise", "GAGNÉ", "8, rue\r\nde l’Église", "1\u00a0234,56\u00a0$"]),
        (4, ['François "Frank"', "Forêt-Îlot", "«\u00a0A\u00a0»", "50,00"]),
    ]
    for name in ("José", "Éric", "GAGNÉ", "D’Âme", "Noël ça"):
        assert decode(f"x,{name}\n".encode(encoding)) == f"x,{name}\n"


def test_each_usual_separator_is_found() -> None:
    for separator in (",", ";", "\t"):
        for begin in ("", f"sep={separator}\n"):
            file = read_file(f'{begin}"Name, first"{separator}Amount\n"Roy; A."{separator}5\nOnly one cell'.encode())
            assert (file.headings, [row.cells for row in file.rows]) == (
                ["Name, first", "Amount"],
                [["Roy; A.", "5"], ["Only one cell", ""]],
            )


def test_rows_have_the_numbers_of_a_spreadsheet_and_empty_ones_below_are_not_read() -> None:
    file = read_file(b'sep=;\nName;Amount\n"Roy\nA.";5\n;\nTom;6\n' + b";;;;;;;;;;;;\n" * 300_000)
    assert [(row.number, row.cells[0]) for row in file.rows] == [(2, "Roy\nA."), (4, "Tom")]


def test_a_file_that_cannot_be_read_is_refused_with_the_reason() -> None:
    cases = {
        b"": FileFlaw.EMPTY,
        b"\n ,\n": FileFlaw.EMPTY,
        b"Name,Amount\n": FileFlaw.NO_ROWS,
        b"PK\x03\x04rest": FileFlaw.WORKBOOK,
        b"\xd0\xcf\x11\xe0rest": FileFlaw.WORKBOOK,
        b"%PDF-1.7\n1 0 obj\n": FileFlaw.PDF,
        b"\x89PNG\r\n": FileFlaw.PICTURE,
        b"\xef\xbb\xbf\n<!DOCTYPE html><table>": FileFlaw.MARKUP,
        b"Name,Amount\nRoy,\x01\x02": FileFlaw.NO_TEXT,
        b"\xff\xfea\x00b": FileFlaw.NO_TEXT,
        b"a" * (MOST_BYTES + 1): FileFlaw.TOO_LARGE,
        b"a,b\n" * (MOST_ROWS + 2): FileFlaw.TOO_MANY_ROWS,
        b"," * MOST_COLUMNS + b"x\n1\n": FileFlaw.TOO_MANY_COLUMNS,
        b"a,b\n" + b"x" * 2001 + b",1\n": FileFlaw.LONG_CELL,
        b'a,b\n1,2\n"open,3\n': FileFlaw.OPEN_QUOTE,
    }
    for content, flaw in cases.items():
        with pytest.raises(FileRefused) as refused:
            read_file(content)
        assert refused.value.flaw is flaw, content[:20]
    assert refused.value.row == 3


def test_days_are_read_as_excel_writes_them_and_never_guessed() -> None:
    spellings = (
        *(
            "2026-11-28",
            "2026/11/28",
            "28/11/2026",
            "11/28/2026",
            "28-11-2026",
            "28.11.2026",
            "28-Nov-26",
            "28-nov.-26",
            "28 novembre 2026",
        ),
        *("November 28, 2026", "Nov 28 2026", "2026-11-28 00:00", "11/28/2026 12:00:00 AM"),
    )
    assert {parse_day(text, None).isoformat() for text in spellings} == {"2026-11-28"}
    assert parse_day("1er févr. 2026", None).isoformat() == "2026-02-01" and parse_day("3-août-26", None).isoformat() == "2026-08-03"
    assert parse_day("05/05/2026", None).isoformat() == "2026-05-05"
    for text in ("31/31/2026", "2026-02-30", "28/11/26", "46354", "soon", "3 ma 2026", "ju 3, 2026"):
        with pytest.raises(ValueRefused) as refused:
            parse_day(text, None)
        assert refused.value.flaw is ValueFlaw.NO_DAY, text
    with pytest.raises(ValueRefused) as refused:
        parse_day("05/06/2026", None)
    assert refused.value.flaw is ValueFlaw.DAY_OR_MONTH
    assert parse_day("05/06/2026", DayOrder.DAY_FIRST).isoformat() == "2026-06-05"
    assert parse_day("05/06/2026", DayOrder.MONTH_FIRST).isoformat() == "2026-05-06"
    with pytest.raises(ValueRefused):
        parse_day("28/11/2026", DayOrder.MONTH_FIRST)
    columns = {
        ("05/06/2026", "28/11/2026"): (DayOrder.DAY_FIRST, True),
        ("05/06/2026", "11/28/2026"): (DayOrder.MONTH_FIRST, True),
        ("28/11/2026", "11/28/2026", "05/06/2026"): (None, True),
        ("05/06/2026",): (None, True),
        ("05/05/2026", "2026-05-06"): (None, False),
    }
    assert {column: (order_of(column), needs_order(column)) for column in columns} == columns


def test_amounts_are_read_in_both_languages_and_never_guessed() -> None:
    spellings = ("1,234.56", "1 234,56 $", "1\u00a0234,56\u00a0$", "1\u202f234,56 $", "$1,234.56", "1234.56", "1234,56 CAD")
    assert {parse_amount(text) for text in spellings} == {1_234_56}
    assert [parse_amount(text) for text in ("50", "50.5", "50,5 $", "$50")] == [50_00, 50_50, 50_50, 50_00]
    cases = {
        ValueFlaw.THOUSANDS_OR_CENTS: ("1,234", "1.234", "1,234 $"),
        ValueFlaw.NEGATIVE: ("-5", "($5.00)", "$-5", "−5,00 $"),
        ValueFlaw.NO_AMOUNT: ("1.234,56", "ten", "", "1,5,0", "1e3", "50.123456"),
    }
    for flaw, texts in cases.items():
        for text in texts:
            with pytest.raises(ValueRefused) as refused:
                parse_amount(text)
            assert refused.value.flaw is flaw, text


def test_headings_and_words_are_recognized_in_both_languages() -> None:
    english = ["Date", "Amount", "Cheque #", "First Name", "Surname", "E-mail", "Zip", "Notes"]
    french = ["Reçu le", "MONTANT", "Nº de chèque", "Prénom", "Nom", "Courriel", "Code postal", "Notes"]
    fields = ("received_on", "amount", "reference", "first_name", "last_name", "email", "postal_code")
    for headings in (english, french):
        assert recognized_columns(headings) == {ImportField(name): place for place, name in enumerate(fields)}, headings
    assert recognized_columns(["Date", "date", "Amount"])[ImportField.RECEIVED_ON] == 0
    methods = {
        "Chèque": "cheque",
        "CHECK": "cheque",
        "comptant": "cash",
        "Virement Interac": "etransfer",
        "e-Transfer": "etransfer",
        "EFT": "bank_transfer",
    }
    assert {text: method_of(text).value for text in methods} == methods
    assert [language_of(text) for text in ("EN", "French", "français", "fr-CA", "Anglais")] == ["en", "fr", "fr", "fr", "en"]
    for read in (method_of, language_of):
        with pytest.raises(ValueRefused):
            read("Visa")
    assert method_of(OfflineMethod.BANK_TRANSFER.value) is OfflineMethod.BANK_TRANSFER


def test_letters_of_two_encodings_in_one_file_are_refused_and_an_apostrophe_before_a_formula_is_none_of_the_name() -> None:
    with pytest.raises(FileRefused) as refused:
        decode("Nom\r\nÉlise Gagné\r\n".encode() + "René\r\n".encode("cp1252"))
    assert refused.value.flaw == FileFlaw.MIXED
    assert decode("Nom\r\nÉlise\r\n".encode("cp1252")) == "Nom\r\nÉlise\r\n", "control: one encoding"
    (row,) = read_file(b'Name,Amount\r\n"\'@Work",5\r\n').rows
    assert row.cells == ["@Work", "5"]
