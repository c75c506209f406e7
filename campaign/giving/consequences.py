"""What follows from something that happened to a donation: decided first, on a desk, and then written, alone or in a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaign.edges.db import db
from campaign.giving import healing, ledger, outbox
from campaign.giving.donations import Donation
from campaign.giving.healing import Healed, HealingDesk, open_desk
from campaign.giving.ledger import Entry
from campaign.giving.outbox import Owed


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What happened in a few words, the entries to post, the work owed to the outside."""

    outcome: str
    entries: Sequence[Entry] = ()
    owed: Sequence[Owed] = ()

    def and_then(self, other: "Consequence") -> "Consequence":
        """Both, under the name of the first."""
        return Consequence(outcome=self.outcome, entries=[*self.entries, *other.entries], owed=[*self.owed, *other.owed])

    def with_healed(self, healed: Healed) -> "Consequence":
        """With those healed by what came free; their donors are told."""
        told = [Owed("healed", donation) for donation in healed.donations]
        return Consequence(outcome=self.outcome, entries=[*self.entries, *healed.entries], owed=[*self.owed, *told])


NOTHING = Consequence(outcome="")


def carry_out(desk: HealingDesk, decided: Sequence[Consequence]) -> None:
    """Write what follows, in the order in which it was decided."""
    db.session.flush()
    ledger.post(*(entry for consequence in decided for entry in consequence.entries))
    desk.write_queue()
    outbox.owe(*(owed for consequence in decided for owed in consequence.owed))


def apply(donation: Donation, decide: Callable[[HealingDesk], Consequence]) -> str:
    """Lock, decide and write for one donation; returns what happened."""
    desk = open_desk([donation.campaign_id], [donation.id])
    consequence = decide(desk)
    carry_out(desk, [consequence])
    db.session.expire(donation, ["net_cents"])
    return consequence.outcome


def go_on_healing(campaign_id: int) -> bool:
    """One more step of a healing that is due, written; False when none was. The caller commits after each."""
    desk = open_desk([campaign_id])
    due = healing.due_of(campaign_id)
    if due is None:
        return False
    healed = desk.step(campaign_id, cause=due.cause, after_place=due.after_place, again=due.again)
    carry_out(desk, [NOTHING.with_healed(healed)])
    return True
