"""What search engines and social networks read of a campaign page, and what staff copy to show a campaign elsewhere. Nothing of a donor is in any of it."""

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

from flask import Flask

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from tests.factories import another_campaign, paid
from tests.sharing import ALL, HOSTILE, get, take_real_money
from tests.web import SLUG, grant_access, open_page, signed_in

BASE = "http://127.0.0.1:8000"


class Head(HTMLParser):
    """The head of a page: its links, its properties and names, and its data for search engines."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[dict[str, str]] = []
        self.meta: dict[str, str] = {}
        self.tags: list[str] = []
        self._is_data, self._data = False, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag == "link":
            self.links.append(values)
        if tag == "meta":
            self.meta[values.get("property") or values.get("name") or ""] = values.get("content", "")
        self._is_data = tag == "script" and values.get("type") == "application/ld+json"

    def handle_endtag(self, tag: str) -> None:
        self._is_data = False

    def handle_data(self, data: str) -> None:
        self._data += data if self._is_data else ""

    @property
    def canonical(self) -> list[str]:
        return [link["href"] for link in self.links if link["rel"] == "canonical"]

    @property
    def alternates(self) -> dict[str, str]:
        return {link["hreflang"]: link["href"] for link in self.links if link["rel"] == "alternate"}

    @property
    def graph(self) -> dict[str, Any]:
        """The data by their types."""
        data = json.loads(self._data)
        assert data["@context"] == "https://schema.org"
        return {node["@type"]: node for node in data["@graph"]}


def head_of(app: Flask, path: str) -> Head:
    return Head(get(app, path).text.partition("<body>")[0])


def test_each_language_names_itself_the_other_and_its_picture(app: Flask, campaign: Campaign) -> None:
    for language, other in (("en", "fr"), ("fr", "en")):
        head = head_of(app, f"/{language}/{SLUG}")
        assert head.canonical == [f"{BASE}/{language}/{SLUG}"]
        assert head.alternates == {"en": f"{BASE}/en/{SLUG}", "fr": f"{BASE}/fr/{SLUG}", "x-default": f"{BASE}/en/{SLUG}"}
        expected = {
            "og:title": campaign.title(language),
            "og:description": campaign.lead(language),
            "og:url": f"{BASE}/{language}/{SLUG}",
            "og:locale": f"{language}_CA",
            "og:locale:alternate": f"{other}_CA",
            "og:site_name": campaign.charity.name(language),
            "og:image": f"{BASE}/{language}/{SLUG}/og.png",
            "twitter:card": "summary_large_image",
            "description": campaign.lead(language),
        }
        assert {name: head.meta[name] for name in expected} == expected
        image = get(app, head.meta["og:image"].removeprefix(BASE))
        assert (image.status_code, image.mimetype) == (200, head.meta["og:image:type"])


def test_search_engines_learn_who_receives_a_gift_and_where_to_give(app: Flask, campaign: Campaign) -> None:
    graph = head_of(app, f"/fr/{SLUG}").graph
    charity, page = graph["NGO"], graph["WebPage"]
    assert (charity["name"], charity["identifier"]["value"]) == (campaign.charity.name_fr, campaign.charity.registration_number)
    assert (page["url"], page["inLanguage"], page["publisher"]["@id"]) == (f"{BASE}/fr/{SLUG}", "fr-CA", charity["@id"])
    donating = page["potentialAction"]
    assert (donating["@type"], donating["recipient"]["@id"], donating["target"]) == ("DonateAction", charity["@id"], page["url"])
    assert donating["priceSpecification"] == {
        "@type": "PriceSpecification",
        "priceCurrency": "CAD",
        "minPrice": "5.00",
        "maxPrice": "25000.00",
    }
    campaign_actions.close_to_gifts(campaign, actor="test")
    assert "potentialAction" not in head_of(app, f"/fr/{SLUG}").graph["WebPage"]


def test_texts_of_people_end_no_script_and_no_attribute(app: Flask, campaign: Campaign) -> None:
    plain = head_of(app, f"/en/{SLUG}").tags
    campaign.title_en = campaign.lead_en = campaign.charity.name_en = f"{HOSTILE} <!-- \u2028"
    head = head_of(app, f"/en/{SLUG}")
    assert head.tags == plain
    assert head.meta["og:title"] == campaign.title_en
    assert (head.graph["NGO"]["name"], head.graph["WebPage"]["name"]) == (campaign.charity.name_en, campaign.title_en)


def test_nothing_of_a_donor_is_in_what_others_read(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 77_00, message="A very private message", public_name="Jeanne Publique")
    client = app.test_client()
    grant_access(client, donation)
    plain = get(app, f"/en/{SLUG}").text.partition("<body>")[0]
    page = get(app, f"/en/{SLUG}?again={donation.token}&amount=123", client=client).text
    head = page.partition("<body>")[0]
    assert donation.email in page, "control: the form is filled in for this browser"
    assert head == plain
    assert "?" not in "".join(Head(head).canonical)
    shown = " ".join(get(app, address("en"), client=client).text for address in ALL[:2]) + head
    assert [text for text in (donation.token, donation.email, donation.last_name, "private message", "Publique") if text in shown] == []
    assert 'name="robots" content="noindex"' in get(app, f"/en/donations/{donation.token}").text


def test_search_engines_leave_a_trial_out(app: Flask, campaign: Campaign) -> None:
    assert head_of(app, f"/en/{SLUG}").meta["robots"] == "noindex"
    take_real_money(app)
    assert "robots" not in head_of(app, f"/en/{SLUG}").meta


def test_a_form_that_is_shown_again_has_the_same_head(app: Flask, campaign: Campaign) -> None:
    with app.app_context():
        page = app.test_client().post(f"/fr/{SLUG}", data={"amount": "50"}).text
    assert Head(page.partition("<body>")[0]).canonical == [f"{BASE}/fr/{SLUG}"]


def test_staff_copy_the_widget_in_both_languages(app: Flask, campaign: Campaign) -> None:
    campaign.title_en = HOSTILE
    db.session.commit()
    page = open_page(signed_in(app, "viewer"), f"/staff/campaigns/{SLUG}").text
    codes = [html.unescape(code) for code in re.findall(r"<textarea [^>]*readonly[^>]*>(.*?)</textarea>", page, re.DOTALL)]
    assert len(codes) == 2
    for code, language in zip(codes, ("en", "fr"), strict=True):
        tags: list[tuple[str, dict[str, str | None]]] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attrs, tags=tags: tags.append((tag, dict(attrs)))  # type: ignore[method-assign,misc]
        parser.feed(code)
        [(tag, attributes)] = tags
        assert (tag, attributes["src"], attributes["title"]) == ("iframe", f"{BASE}/embed/{SLUG}?lang={language}", campaign.title(language))
        assert get(app, str(attributes["src"]).removeprefix(BASE)).status_code == 200
    for language in ("en", "fr"):
        for path in (f"/{language}/{SLUG}/og.png", f"/{language}/{SLUG}/poster.pdf", f"/{SLUG}/badge.svg?lang={language}"):
            assert f'href="{BASE}{path}"' in page
    draft = another_campaign(like=campaign)
    db.session.commit()
    campaign_actions.take_back(draft, actor="test")
    assert "/embed/" not in open_page(signed_in(app, "viewer"), f"/staff/campaigns/{draft.slug}").text, "strangers see nothing of a draft"
