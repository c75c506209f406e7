"""The first campaign with its charity, funder and fund, which `campaign setup` creates when there is no campaign.

The charity's legal details are examples. In live mode no official receipt is issued until they have been replaced and confirmed.
"""

from datetime import UTC, datetime

from campaign.campaigns import campaigns
from campaign.campaigns.campaigns import Campaign, current_campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.funders.funders import Funder
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.rules.charity_details import EXAMPLES
from campaign.staff import audit

OPERATOR = "command line"
SLUG = "vision-sanaa-richard"
GOAL_CENTS = 200_000_00
PLEDGE_CENTS = 50_000_00

LEAD_EN = (
    "Guillain-Barré syndrome and CIDP weaken the legs, the arms and sometimes the breathing, within days or over months. "
    "Help us raise $200,000 for research on what matters most to the people who have them."
)
LEAD_FR = (
    "Le syndrome de Guillain-Barré et la PDIC affaiblissent les jambes, les bras et parfois la respiration, en quelques jours ou en quelques mois. "
    "Aidez-nous à réunir 200\u00a0000\u00a0$ pour la recherche sur ce qui compte le plus pour les personnes atteintes."
)
STORY_EN = """
## What your gift pays for

In Guillain-Barré syndrome (GBS) and chronic inflammatory demyelinating polyneuropathy (CIDP), the immune system attacks the nerves of the arms and legs. Most people recover some strength, many recover a great deal, and too many wait years for a diagnosis. Treatments exist, and they help. Which of them helps whom, how early, and for how long is still not known well enough.

Vision Sanâa and Richard funds Canadian research on those questions: earlier diagnosis, fewer relapses, less pain and fatigue, and a full life after the hospital. Patients and families sit with the scientists when the projects are chosen.

## Who matches your gift

Fonds Sanâa and Richard matches gifts to this campaign. This page shows how much it has added, and how much is left.

## Where the money goes

Gifts go to the GBS/CIDP Foundation of Canada, a registered charity. You receive an official receipt for income tax by email, usually within a minute. We publish what was given and what was matched, to the cent, on this page.
""".strip()
STORY_FR = """
## Ce que votre don permet

Dans le syndrome de Guillain-Barré (SGB) et la polyneuropathie démyélinisante inflammatoire chronique (PDIC), le système immunitaire s’attaque aux nerfs des bras et des jambes. La plupart des gens retrouvent une partie de leurs forces, beaucoup en retrouvent une grande part, et trop de personnes attendent un diagnostic pendant des années. Des traitements existent, et ils aident. On ne sait pas encore assez bien lequel convient à qui, à quel moment et pendant combien de temps.

Vision Sanâa et Richard finance au Canada la recherche sur ces questions\u00a0: un diagnostic plus tôt, moins de rechutes, moins de douleur et de fatigue, et une vie pleine après l’hôpital. Des personnes atteintes et des proches siègent avec les scientifiques quand les projets sont choisis.

## Qui jumelle votre don

Le Fonds Sanâa et Richard jumelle les dons à cette campagne. Cette page montre ce qu’il a ajouté et ce qui reste.

## Où va l’argent

Les dons vont à la Fondation canadienne du SGB et de la PDIC, un organisme de bienfaisance enregistré. Vous recevez par courriel un reçu officiel aux fins de l’impôt, en général en moins d’une minute. Nous publions sur cette page, au cent près, ce qui a été donné et ce qui a été jumelé.
""".strip()


def create_first_campaign() -> Campaign | None:
    """Create the first campaign with an active fund. Returns None when there is a campaign already."""
    if current_campaign() is not None:
        return None
    charity, funder = _example_charity(), Funder(name_en="Fonds Sanâa and Richard", name_fr="Fonds Sanâa et Richard")
    db.session.add_all([charity, funder])
    db.session.flush()
    campaign = campaigns.create_campaign(_campaign_of(charity))
    fund = Fund(
        campaign_id=campaign.id,
        funder_id=funder.id,
        slug="sanaa-richard",
        name_en=funder.name_en,
        name_fr=funder.name_fr,
        position=1,
    )
    db.session.add(fund)
    db.session.flush()
    fund_lifecycle.raise_draft_pledge(fund, PLEDGE_CENTS, actor=OPERATOR, reason="set up")
    fund_lifecycle.activate(fund, actor=OPERATOR, reason="set up")
    audit.record(OPERATOR, "set up the first campaign", campaign.slug, goal_cents=GOAL_CENTS, pledge_cents=PLEDGE_CENTS)
    return campaign


def _example_charity() -> Charity:
    return Charity(
        legal_name="GBS/CIDP Foundation of Canada",
        name_en="GBS/CIDP Foundation of Canada",
        name_fr="Fondation canadienne du SGB et de la PDIC",
        address=list(EXAMPLES.address),
        registration_number=EXAMPLES.registration_number,
        place_of_issue=EXAMPLES.place_of_issue,
        signatory_name=EXAMPLES.signatory_name,
        signatory_title_en=EXAMPLES.signatory_title_en,
        signatory_title_fr=EXAMPLES.signatory_title_fr,
        email="info@example.org",
        website="https://www.gbscidp.ca",
        privacy_officer="privacy@example.org",
        time_zone="America/Toronto",
    )


def _campaign_of(charity: Charity) -> Campaign:
    return Campaign(
        charity_id=charity.id,
        slug=SLUG,
        title_en="Vision Sanâa and Richard",
        title_fr="Vision Sanâa et Richard",
        lead_en=LEAD_EN,
        lead_fr=LEAD_FR,
        story_en=STORY_EN,
        story_fr=STORY_FR,
        currency="CAD",
        goal_cents=GOAL_CENTS,
        minimum_cents=5_00,
        maximum_cents=25_000_00,
        presets_cents=[50_00, 100_00, 250_00, 500_00],
        fee_percent_hundredths=290,
        fee_fixed_cents=30,
        opened_at=datetime.now(UTC),
    )
