"""The email of a seeded history: all of it sent, except for what waits for a detail of the donor and a few addresses that do not exist.

The text of a message is stored for the last month only, and is the same for all: nobody received these.
"""

from collections.abc import Sequence
from hashlib import sha256

from campaign.campaigns.campaigns import Campaign
from campaign.cli.bulk_seeds.entries import OfGift
from campaign.cli.bulk_seeds.people import Person
from campaign.cli.bulk_seeds.plan import DAY
from campaign.cli.bulk_seeds.tables import Rows, binary, escape, moment
from campaign.edges.sealed_text import seal
from campaign.edges.secret_keys import SecretKeys
from campaign.rules.receipt_requirements import LANGUAGES

TEXT_DAYS = 30
# One of so many emails of the last month is refused.
REFUSED_EACH = 2000


class MailRows:
    """Adds messages with what became of them."""

    def __init__(self, rows: Rows, campaign: Campaign, keys: SecretKeys, *, first_id: int, end: int) -> None:
        self.next_id = first_id
        self._rows = rows
        self._end = end
        self._titles = {language: escape(campaign.title(language)) for language in LANGUAGES}
        self._sender = {language: escape(campaign.charity.name(language)) for language in LANGUAGES}
        self._sealed = {
            language: (binary(seal(keys, campaign.lead(language))), binary(seal(keys, f"<p>{campaign.title(language)}</p>")))
            for language in LANGUAGES
        }

    def send(
        self,
        kind: str,
        about: str,
        gift: OfGift,
        person: Person,
        *,
        at: int,
        receipt_id: int | None = None,
        reversal: tuple[int, int] | None = None,
    ) -> None:
        """Add a message that was sent. `reversal` is its id and its cents; `receipt_id` the receipt that is attached."""
        number, self.next_id = self.next_id, self.next_id + 1
        key, sent = f"{kind}:{about}", moment(at + 5)
        is_recent = at > self._end - TEXT_DAYS * DAY
        is_refused = is_recent and number % REFUSED_EACH == 0
        reversal_id, cents = reversal or (None, None)
        payload = (reversal_id, None if reversal is None else False, cents, receipt_id if kind == "annual_receipt" else None)
        ended = (None, sent, "550 5.1.1 The address does not exist", None) if is_refused else (sent, None, None, None)
        times = (moment(at), moment(at), f"<{key.replace(':', '.')}@example.org>", 1)
        self._rows.add("outbox", number, key, kind, gift.id, *payload, *times, *ended)
        if not is_recent:
            return
        plain, html = self._sealed[person.language]
        texts = (self._sender[person.language], person.language, self._titles[person.language])
        self._rows.add("frozen_email", number, moment(at), person.email, person.name, *texts, receipt_id, plain, html)
        outcome = ("refused", "550 5.1.1 The address does not exist") if is_refused else ("accepted", "250 OK")
        self._rows.add("delivery_attempt", number, moment(at + 2), binary(sha256(key.encode()).digest()), sent, *outcome)

    def wait(self, gift: OfGift, missing: Sequence[str], *, at: int) -> None:
        """Add the message of a receipt that lacks these elements."""
        number, self.next_id = self.next_id, self.next_id + 1
        key, elements = f"receipt:{gift.public_id}", "{" + ",".join(missing) + "}"
        ended = (None, None, f"missing: {', '.join(missing)}", elements)
        times = (moment(at), moment(self._end + DAY), None, 0)
        self._rows.add("outbox", number, key, "receipt", gift.id, None, None, None, None, *times, *ended)
