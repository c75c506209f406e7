"""What search engines and social networks read of a campaign page: its address, its other language, a picture, and whom a gift is for.

It is the same for everybody who opens the page: nothing of a donor, and of the address no amount and no token.
"""

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.services import services
from campaign.rules.money import format_decimal
from campaign.web.languages import LANGUAGES

# Of readers whose language the site has not.
DEFAULT_LANGUAGE = "en"
PICTURE_SIZE = (1200, 630)


@dataclass(frozen=True, kw_only=True)
class Alternate:
    """The page in one language, or for readers of any other (`x-default`)."""

    language: str
    url: str


@dataclass(frozen=True, kw_only=True)
class SharedHead:
    """Ready values. `properties` are of the Open Graph protocol; `structured_data` is JSON-LD in the terms of schema.org."""

    url: str
    alternates: tuple[Alternate, ...]
    properties: tuple[tuple[str, str], ...]
    structured_data: dict[str, Any]


def shared_head(campaign: Campaign, language: str) -> SharedHead:
    """The head of the campaign's page in this language."""
    return SharedHead(
        url=services().links.campaign_page(language, campaign.slug),
        alternates=alternates_of(campaign),
        properties=_properties(campaign, language),
        structured_data={"@context": "https://schema.org", "@graph": [_charity(campaign.charity, language), _page(campaign, language)]},
    )


def alternates_of(campaign: Campaign) -> tuple[Alternate, ...]:
    """The page in each language."""
    links = services().links
    pages = tuple(Alternate(language=of, url=links.campaign_page(of, campaign.slug)) for of in LANGUAGES)
    return (*pages, Alternate(language="x-default", url=links.campaign_page(DEFAULT_LANGUAGE, campaign.slug)))


def _properties(campaign: Campaign, language: str) -> tuple[tuple[str, str], ...]:
    links, title, charity_name = services().links, campaign.title(language), campaign.charity.name(language)
    width, height = PICTURE_SIZE
    return (
        ("og:type", "website"),
        ("og:site_name", charity_name),
        ("og:title", title),
        ("og:description", campaign.lead(language)),
        ("og:url", links.campaign_page(language, campaign.slug)),
        ("og:locale", f"{language}_CA"),
        *(("og:locale:alternate", f"{of}_CA") for of in LANGUAGES if of != language),
        ("og:image", links.link_picture(language, campaign.slug)),
        ("og:image:type", "image/png"),
        ("og:image:width", str(width)),
        ("og:image:height", str(height)),
        ("og:image:alt", gettext("%(title)s – %(charity)s", title=title, charity=charity_name)),
    )


def _charity(charity: Charity, language: str) -> dict[str, Any]:
    described = {
        "@type": "NGO",
        "@id": _id_of(charity),
        "name": charity.name(language),
        "legalName": charity.legal_name,
        "url": charity.website,
        "email": charity.email,
        "telephone": charity.phone,
        "identifier": {
            "@type": "PropertyValue",
            "name": gettext("Registered charity"),
            "value": charity.registration_number,
        },
    }
    return {name: value for name, value in described.items() if value}


def _id_of(charity: Charity) -> str:
    """A name of the charity that is the same on all pages."""
    return services().links.absolute(f"/#charity-{charity.id}")


def _page(campaign: Campaign, language: str) -> dict[str, Any]:
    page = {
        "@type": "WebPage",
        "url": services().links.campaign_page(language, campaign.slug),
        "name": campaign.title(language),
        "description": campaign.lead(language),
        "inLanguage": f"{language}-CA",
        "publisher": {"@id": _id_of(campaign.charity)},
    }
    return page | ({"potentialAction": _donating(campaign, language)} if campaign.takes_gifts else {})


def _donating(campaign: Campaign, language: str) -> dict[str, Any]:
    """How to give. Its amounts are those that the form takes."""
    return {
        "@type": "DonateAction",
        "name": campaign.title(language),
        "recipient": {"@id": _id_of(campaign.charity)},
        "target": services().links.campaign_page(language, campaign.slug),
        "priceSpecification": {
            "@type": "PriceSpecification",
            "priceCurrency": campaign.currency,
            "minPrice": format_decimal(campaign.minimum_cents),
            "maxPrice": format_decimal(campaign.maximum_cents),
        },
    }
