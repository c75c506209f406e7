"""A funder who is anonymous: no page, file or email for donors and the public names them or their fund."""

import json

from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links, funder_actions
from campaign.funders.funders import Funder
from campaign.funders.introductions import FundIntroduction
from campaign.mail import compose
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.outbox.messages import OutboxMessage
from campaign.reporting import proofs
from campaign.staff.audit import AuditEntry
from tests.factories import confirm_charity, create_fund, create_refund, paid, start_donation
from tests.web import open_page, signed_in

NAMES = ("Fonds Zinnia", "Zinnia Fund", "zinnia-fund")


def test_no_public_page_file_or_email_names_an_anonymous_funder(app: Flask, client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    confirm_charity()
    paid(campaign, fund.pledged_cents)
    hidden = create_fund(campaign, 500_00, position=2, active=False)
    hidden.name_en, hidden.name_fr, hidden.slug = "Zinnia Fund", "Fonds Zinnia", "zinnia-fund"
    db.session.flush()
    funder = db.session.get_one(Funder, hidden.funder_id)
    funder.name_en, funder.name_fr = "Zinnia Fund", "Fonds Zinnia"
    db.session.flush()
    fund_lifecycle.activate(hidden, actor="test", reason="test")
    introduction = {f"{name}_{of}": "Fonds Zinnia says why" for name in ("words", "name") for of in ("en", "fr")}
    db.session.add(FundIntroduction(fund_id=hidden.id, **introduction))
    rematched = paid(campaign, 900_00)
    freed = paid(campaign, 100_00)
    open_one = start_donation(campaign, 50_00)
    db.session.commit()
    public = [
        *(f"/{language}/{campaign.slug}{query}" for language in ("en", "fr") for query in ("", "?amount=50")),
        *(f"/embed/{campaign.slug}?lang={language}" for language in ("en", "fr")),
        f"/api/campaigns/{campaign.slug}",
        *(
            f"/{language}/donations/{gift.token}{end}"
            for language in ("en", "fr")
            for gift in (rematched, open_one)
            for end in ("", ".json")
        ),
        f"/en/donations/{rematched.token}/proof.json",
    ]

    def named() -> set[str]:
        return {path for path in public if any(name in client.get(path).text for name in NAMES)}

    assert f"/en/{campaign.slug}" in named(), "control"
    assert f"/en/donations/{rematched.token}" in named(), "control"
    assert f"/en/donations/{rematched.token}/proof.json" in named(), "control"
    funder_actions.change_details(funder, {"is_anonymous": True}, actor="manager@example.org", void_reason="")
    db.session.expire_all()
    assert named() == set()
    assert "An anonymous funder pledged" in client.get(f"/en/{campaign.slug}").text
    assert "Un bailleur de fonds anonyme" in client.get(f"/fr/{campaign.slug}").text
    assert "an anonymous funder" in client.get(f"/en/donations/{rematched.token}").text
    assert "zinnia" not in json.dumps(proofs.proof_of(rematched)).lower()
    create_refund(freed, 100_00)
    db.session.commit()
    mails = db.session.query(OutboxMessage).filter(OutboxMessage.donation_id == rematched.id).all()
    assert mails
    texts = [content.plain for message in mails if (content := compose.compose(message))]
    assert texts
    assert not [text for text in texts for name in NAMES if name in text]
    entry = db.session.query(AuditEntry).filter_by(action="changed a funder's details").one()
    assert entry.detail["is_anonymous"] is True
    assert "Zinnia" in open_page(signed_in(app, "manager"), "/staff/funders").text, "staff know them"
    url = access_links.create_link(hidden, actor="test")
    db.session.commit()
    client.get("/" + url.split("/", 3)[3])
    assert "Zinnia" in client.get("/funder/").text, "and so do they"
