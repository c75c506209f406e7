"""The JSON of the public API as schemas of OpenAPI 3.1 (JSON Schema 2020-12): all fields, none beside them, sums as integers in cents."""

from typing import Any

from campaign.payments.status import Status

Schema = dict[str, Any]

MOMENT: Schema = {"type": "string", "format": "date-time", "description": "A moment in ISO 8601, with its offset from UTC."}
CENTS: Schema = {"type": "integer", "minimum": 0, "description": "A sum in cents."}
COUNT: Schema = {"type": "integer", "minimum": 0}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
NULL: Schema = {"type": "null"}
HTML: Schema = {"type": "string", "description": "A fragment of HTML."}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _object(description: str, example: dict[str, Any] | None = None, *, optional: frozenset[str] = frozenset(), **fields: Schema) -> Schema:
    """An object that has all of these fields, but for the optional ones, and no others."""
    found: Schema = {
        "type": "object",
        "description": description,
        "properties": fields,
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }
    return found | ({"examples": [example]} if example else {})


def _cents(description: str) -> Schema:
    return CENTS | {"description": description}


TOTALS = _object(
    "The sums of a campaign.",
    {
        "campaign": "vision-sanaa-richard",
        "currency": "CAD",
        "goal_cents": 20_000_000,
        "donated_cents": 1_234_567,
        "matched_cents": 1_234_567,
        "raised_cents": 2_469_134,
        "donations": 87,
        "donors": 81,
        "match": {"pledged_cents": 5_000_000, "matched_cents": 1_234_567, "held_cents": 10_000, "available_cents": 3_755_433},
        "as_of": "2026-11-22T15:02:11.481920+00:00",
    },
    campaign=_text("The name of the campaign in its addresses."),
    currency={"const": "CAD"},
    goal_cents=_cents("What the campaign wants to raise."),
    donated_cents=_cents("What donors gave, net of refunds and without covered fees."),
    matched_cents=_cents("What funds added."),
    raised_cents=_cents("Given and matched together."),
    donations=COUNT | {"description": "Paid donations, refunded ones included."},
    donors=COUNT | {"description": "Distinct email addresses of these."},
    match=_object(
        "The funds of the campaign together.",
        pledged_cents=_cents("What funds pledged."),
        matched_cents=_cents("What of it went to gifts."),
        held_cents=_cents("What of it is held for donors who are paying."),
        available_cents=_cents("What a gift that is paid now could be matched from: 0 when no fund is open."),
    ),
    as_of=MOMENT,
)

DONATION = _object(
    "One donation, as its donor’s page shows it.",
    {
        "state": "paid",
        "amount_cents": 10_000,
        "covered_fee_cents": 330,
        "net_cents": 10_000,
        "matched_cents": 10_000,
        "held_cents": 0,
        "receipt": {"serial": "2026-000042", "status": "valid"},
        "as_of": "2026-11-22T15:02:11.481920+00:00",
    },
    state={"type": "string", "enum": [state.value for state in Status]},
    amount_cents=_cents("The gift."),
    covered_fee_cents=_cents("The fee that the donor paid beside it."),
    net_cents=_cents("What of the gift was paid and neither refunded nor lost in a dispute."),
    matched_cents=_cents("What funds added to it."),
    held_cents=_cents("What is held for it while it is paid."),
    receipt={
        "anyOf": [
            _object(
                "The latest official receipt.",
                serial=_text("Its serial number, which ends in the consecutive number."),
                status={"type": "string", "enum": ["valid", "replaced", "cancelled"]},
            ),
            NULL,
        ]
    },
    as_of=MOMENT,
)

HEADS = _object(
    "The published ends of the campaign’s hash chains, the latest first. docs/verify.md says how to verify them.",
    {"format": "campaign-heads/2", "campaign": "vision-sanaa-richard", "heads": []},
    format={"const": "campaign-heads/2"},
    campaign=_text("The name of the campaign in its addresses."),
    heads={
        "type": "array",
        "maxItems": 400,
        "items": _object(
            "The end of a chain at a moment, signed.",
            chain=_text("The name of the chain."),
            position={"type": "integer", "minimum": 0, "description": "How many entries the chain had."},
            hash=SHA256,
            published_at=MOMENT,
            key=_text("The fingerprint of the certificate of the key."),
            signature={"type": "string", "pattern": "^[0-9a-f]+$"},
        ),
    },
)

QUOTE = _object(
    "The match of an amount now, in cents and in words of the page’s language. A promise is made only when a donation begins.",
    {
        "quote": "$50 is held for you: your gift becomes $100.",
        "gift_cents": 5000,
        "match_cents": 5000,
        "later_cents": 0,
        "fee": "$1.75",
        "total": "With the fee, you pay $51.75",
        "button": "Continue to payment",
        "next": "Continue",
        "amount_error": "",
        "claim": "Every dollar you give is doubled.",
        "held_while_paying": "We hold the match shown as held while you pay.",
        "proof_bits": 0,
        "progress": "<p>...</p>",
        "sums": "<dl>...</dl>",
        "presets": "<div>...</div>",
    },
    quote=_text("The match in words; empty without an amount that can be given."),
    gift_cents={"anyOf": [_cents("The amount that was asked about; null for one that cannot be given."), NULL]},
    match_cents={"anyOf": [_cents("What can be held."), NULL]},
    later_cents={"anyOf": [_cents("What is added when the payment arrives, as long as matching is left."), NULL]},
    fee=_text("The fee that a donor may cover."),
    total=_text("What a donor pays who covers it."),
    button=_text("The words of the button that pays."),
    next=_text("The words of the button to the next step."),
    amount_error=_text("What is wrong with the amount; empty when nothing is."),
    claim=_text("The state of the match in words; empty without a fund."),
    held_while_paying=_text("What is held while a donor pays; empty when nothing can be."),
    proof_bits=COUNT | {"description": "How much work a browser has to prove; 0 as a rule."},
    progress=HTML,
    sums=HTML,
    presets=HTML,
)

ALIVE = _object("The process answers.", {"status": "alive"}, status={"const": "alive"})

_DEGRADED: Schema = {"type": "array", "items": {"type": "string"}, "description": "What is degraded while the service goes on."}

READY = _object("Donations are taken and processed.", {"status": "ready", "degraded": []}, status={"const": "ready"}, degraded=_DEGRADED)

NOT_READY = _object(
    "Donations cannot be taken or processed.",
    {"status": "not ready", "because": ["database"]},
    optional=frozenset({"degraded"}),
    status={"const": "not ready"},
    because={"type": "array", "items": {"type": "string", "enum": ["database", "worker"]}, "minItems": 1},
    degraded=_DEGRADED,
)

ERROR = _object("What went wrong, for people.", {"error": "not found"}, error=_text("In English or French."))

SCHEMAS: dict[str, Schema] = {
    "Totals": TOTALS,
    "Donation": DONATION,
    "Heads": HEADS,
    "Quote": QUOTE,
    "Alive": ALIVE,
    "Ready": READY,
    "NotReady": NOT_READY,
    "Error": ERROR,
}
