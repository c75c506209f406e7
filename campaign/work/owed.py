"""What is owed to the outside, done: receipts, thanks and news, by mail.

Each item is a door: it begins and commits its own transactions; the mail server and the renderer are called only between them.
"""

import structlog
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.edges.mail import MailDelayed, MailRefused, MailUnknown
from campaign.edges.sealing import NoKey
from campaign.giving import claims, mails, outbox, stripe_events
from campaign.giving.claims import Claim
from campaign.giving.donations import Donation
from campaign.giving.mails import Mail
from campaign.giving.outbox import OutboxItem, Owed
from campaign.giving.receipts import CannotIssue
from campaign.work import composing, mailing

log = structlog.get_logger()

LACKING_ASKED_AGAIN_SECONDS = 6 * 3600


def send_owed() -> int:
    """Do what is owed to the outside and due; returns how many items were done. Money comes first: it stops while events wait."""
    done = 0
    while not stripe_events.is_behind():
        taken = outbox.claim(limit=1)  # One lease is for one mail, however slow the server is.
        db.session.commit()
        if not taken:
            break
        for claim in taken:
            done += _do_item(claim)
    db.session.commit()
    return done


def _do_item(claim: Claim) -> bool:
    item = outbox.claimed(claim)
    key = item.key
    try:
        words = _words(item)
        db.session.commit()
        if words is not None:
            mailing.hand_over(item, words)
        claims.finish(OutboxItem, claim)
        db.session.commit()
        return True
    except CannotIssue as error:
        _item_waits(claim, item, error)
        return True
    except (MailDelayed, NoKey) as error:
        _item_delayed(claim, key, error)
    except MailRefused as error:
        _item_failed(claim, key, error, for_good=True)
    except (OperationalError, MailUnknown) as error:
        _item_failed(claim, key, error, for_good=False)
    except Exception as error:
        log.exception("outbox.failed", key=key)
        _item_failed(claim, key, error, for_good=False)
    return False


def _words(item: OutboxItem) -> Mail | None:
    """Those of an earlier try, or new ones; None when there is nothing to say any more."""
    mails.give_up_unended(item.id)
    kept = mails.written_before(item)
    if kept is not None:
        return kept
    composing.settle(item)
    db.session.commit()  # So that nothing is written or rendered while the counter of receipts is locked.
    letter = composing.compose(item)
    return mailing.freeze(item, letter) if letter else None


def _item_waits(claim: Claim, item: OutboxItem, error: CannotIssue) -> None:
    """The receipt lacks something: the donor is thanked without it, and asked for it if it is theirs to give; staff see it."""
    db.session.rollback()
    if item.kind == "receipt" and item.donation_id:
        outbox.owe(Owed("acknowledgement", db.session.get_one(Donation, item.donation_id)))
    claims.postpone(OutboxItem, claim, seconds=LACKING_ASKED_AGAIN_SECONDS, reason=str(error))
    db.session.commit()


def _item_delayed(claim: Claim, key: str, error: Exception) -> None:
    """The other side is away: nobody's fault, and for as long as three days no reason to give up."""
    db.session.rollback()
    is_dead = outbox.delay(claim, error=f"{type(error).__name__}: {error}"[:500])
    db.session.commit()
    (log.error if is_dead else log.warning)("outbox.dead" if is_dead else "outbox.later", key=key, error=type(error).__name__)


def _item_failed(claim: Claim, key: str, error: Exception, *, for_good: bool) -> None:
    db.session.rollback()
    is_dead = claims.fail(OutboxItem, claim, error=f"{type(error).__name__}: {error}"[:500], for_good=for_good)
    db.session.commit()
    (log.error if is_dead else log.warning)("outbox.dead" if is_dead else "outbox.later", key=key, error=type(error).__name__)
