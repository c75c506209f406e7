"""What staff give others to show a campaign elsewhere: a picture, a poster, a badge, and the code of the widget, in both languages."""

from dataclasses import dataclass
from html import escape

from campaign.campaigns.campaigns import Campaign
from campaign.edges.services import services
from campaign.web.languages import LANGUAGES

# The widget's height on a phone, with a claim of usual length; what is longer scrolls.
FRAME = '<iframe src="{url}" title="{title}" width="100%" height="440" loading="lazy" style="border: 0; max-width: 30rem"></iframe>'


@dataclass(frozen=True, kw_only=True)
class SharedIn:
    """The addresses in one language, and the HTML that a page of another site takes."""

    language: str
    picture: str
    poster: str
    badge: str
    code: str


def share_panel(campaign: Campaign) -> list[SharedIn]:
    """What there is in each language; nothing of a draft, which strangers do not see."""
    links = services().links
    return [
        SharedIn(
            language=language,
            picture=links.link_picture(language, campaign.slug),
            poster=links.poster(language, campaign.slug),
            badge=links.badge(language, campaign.slug),
            code=FRAME.format(url=escape(links.widget(language, campaign.slug)), title=escape(campaign.title(language))),
        )
        for language in LANGUAGES
        if campaign.is_public
    ]
