"""What the head and foot of a donor's page need: the campaign, and the charity behind it."""

from typing import Any

from campaign.campaigns.campaigns import Campaign, default_campaign


def frame_of(campaign: Campaign | None, language: str) -> dict[str, Any]:
    """The values for the page of this campaign; of the default one where a link says nothing of any, and none where there is none."""
    shown = campaign or default_campaign()
    if shown is None:
        return {"campaign": None}
    return {
        "campaign": shown,
        "title": shown.title(language),
        "charity": shown.charity,
        "charity_name": shown.charity.name(language),
    }
