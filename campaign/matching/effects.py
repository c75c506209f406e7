"""The effects of an event on a donation: decided first, in a match session, then written together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, post_entries
from campaign.matching.rematching import Rematched, RematchingSession, lock_match_session, pending_rematch_of
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage, enqueue


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The outcome in a few words for the log, the ledger entries to post and the messages to send."""

    outcome: str
    entries: Sequence[Entry] = ()
    messages: Sequence[NewMessage] = ()

    def combined_with(self, other: "Effects") -> "Effects":
        """Both, with the outcome of the first."""
        return Effects(outcome=self.outcome, entries=[*self.entries, *other.entries], messages=[*self.messages, *other.messages])

    def with_rematched(self, rematched: Rematched) -> "Effects":
        """These, and a rematch with the messages to its donors."""
        news = [NewMessage(MessageKind.MATCH_INCREASED, donation) for donation in rematched.donations]
        return Effects(outcome=self.outcome, entries=[*self.entries, *rematched.entries], messages=[*self.messages, *news])


NO_EFFECTS = Effects(outcome="")


def apply_effects(session: RematchingSession, decided: Sequence[Effects]) -> None:
    """Write the effects, in the order in which they were decided."""
    db.session.flush()
    post_entries(*(entry for effects in decided for entry in effects.entries))
    session.write_queue()
    enqueue(*(message for effects in decided for message in effects.messages))


def decide_and_apply(donation: Donation, decide: Callable[[RematchingSession], Effects]) -> str:
    """Lock, decide and write for one donation; returns the outcome."""
    session = lock_match_session([donation.campaign_id], [donation.id])
    effects = decide(session)
    apply_effects(session, [effects])
    db.session.expire(donation, ["net_cents"])
    return effects.outcome


def continue_rematching(campaign_id: int) -> bool:
    """Process one more step of a pending rematch; False when none is pending. The caller commits after each step."""
    session = lock_match_session([campaign_id])
    pending = pending_rematch_of(campaign_id)
    if pending is None:
        return False
    rematched = session.rematch_step(campaign_id, cause=pending.cause, after_position=pending.after_position, next_cause=pending.next_cause)
    apply_effects(session, [NO_EFFECTS.with_rematched(rematched)])
    return True
