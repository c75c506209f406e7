"""What a donation's state is called on pages, in the language spoken."""

from flask_babel import gettext

from campaign.giving.standing import State


def state_words() -> dict[State, str]:
    """Each state in a word or two."""
    return {
        State.PENDING: gettext("not paid yet"),
        State.PROCESSING: gettext("payment under way"),
        State.PAID: gettext("paid"),
        State.REFUNDED: gettext("refunded"),
        State.PARTIALLY_REFUNDED: gettext("refunded in part"),
        State.DISPUTED: gettext("in dispute"),
        State.FAILED: gettext("payment failed"),
        State.EXPIRED: gettext("not completed"),
        State.QUARANTINED: gettext("in quarantine"),
    }
