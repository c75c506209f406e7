"""French texts that staff type keep together what no line end may part, whatever the form made of their spaces."""

import pytest
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.rules.typography import with_no_break_spaces
from tests.web import SLUG


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("réunir 200 000 $ pour", "réunir 200\u00a0000\u00a0$ pour"),
        ("ces questions : un", "ces questions\u00a0: un"),
        ("« Bonjour », dit 1 personne", "«\u00a0Bonjour\u00a0», dit 1 personne"),
        ("à 14 h 32, 50 % de 1 234 567 $", "à 14\u00a0h 32, 50\u00a0% de 1\u00a0234\u00a0567\u00a0$"),
        ("12 2026 et 12 345 6", "12 2026 et 12\u00a0345 6"),
        ("https://example.org/a:b 10:30", "https://example.org/a:b 10:30"),
    ],
)
def test_no_line_ends_where_french_has_none(typed: str, shown: str) -> None:
    assert with_no_break_spaces(typed) == shown
    assert with_no_break_spaces(shown) == shown


def test_the_page_has_them_where_staff_typed_plain_spaces(client: FlaskClient, campaign: Campaign) -> None:
    campaign.lead_fr, campaign.lead_en = "Aidez-nous à réunir 200 000 $ : merci", "Help us raise 200 000 : thanks"
    db.session.commit()
    assert "réunir 200\u00a0000\u00a0$\u00a0: merci" in client.get(f"/fr/{SLUG}").text
    assert "raise 200 000 : thanks" in client.get(f"/en/{SLUG}").text
