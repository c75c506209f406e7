"""Files that people download or get by email: each has a name in the language of whoever gets it, in ASCII, from one function."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.texts.file_names import AS_OF, Document, file_name

CODE = Path(__file__).resolve().parents[1] / "campaign"


def test_a_name_is_in_the_language_asked_for_and_in_ascii_whatever_its_parts_are() -> None:
    assert file_name(Document.RECEIPT, "2026-000037", language="fr", extension="pdf") == "recu-2026-000037.pdf"
    assert file_name(Document.RECEIPTS, 1, AS_OF, "2026-11-28", language="fr", extension="csv") == "recus-1-en-date-du-2026-11-28.csv"
    assert file_name(Document.PROOF, "d_5f", language="fr", extension="json") == "preuve-d_5f.json"
    assert file_name(Document.STATEMENT, 'été "2026"/\r\n', language="en", extension="pdf") == "statement-ete-2026.pdf"
    for document in Document:
        names = {language: file_name(document, language=language, extension="pdf") for language in ("en", "fr")}
        assert all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*\.pdf", name) for name in names.values()), names
        assert names["en"] != names["fr"] or document in {Document.DECLARATION, Document.JOURNAL}, "translated"


def test_every_file_gets_its_name_from_one_function() -> None:
    with_header = [path.name for path in CODE.glob("**/*.py") if "devstack" not in path.parts and "Content-Disposition" in path.read_text()]
    assert with_header == ["downloads.py"]


@pytest.mark.parametrize(("language", "word"), [("en", "statement"), ("fr", "releve")])
def test_a_funder_saves_statements_under_names_in_their_language(client: FlaskClient, fund: Fund, language: str, word: str) -> None:
    client.get("/" + access_links.create_link(fund, actor="test").split("/", 3)[3])
    db.session.commit()
    page = client.get(f"/funder/?lang={language}").text
    links = re.findall(r'href="(/funder/report\.(\w+)\?[^"]+)"', page.replace("&amp;", "&"))
    assert {extension for _, extension in links} == {"pdf", "xlsx", "csv", "json"}
    for link, extension in links:
        named = client.get(client.get(link).headers["Location"]).headers["Content-Disposition"].partition("filename=")[2]
        assert re.fullmatch(rf'"{word}-{fund.slug}-\d{{4}}-\d\d-\d\dT\d{{6}}Z\.{extension}"', named)
