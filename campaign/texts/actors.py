"""Who did what the audit trail has, in both languages, where it was no member of staff."""

from campaign.texts.catalogue import gettext_noop, translator

ACTORS = {
    "a recipient": gettext_noop("whoever gets the report"),
    "command line": gettext_noop("an operator, at the command line"),
    "the donor": gettext_noop("the donor"),
    "the funder": gettext_noop("the funder"),
    "the service": gettext_noop("the service itself"),
}


def describe_actor(actor: str, language: str) -> str:
    """Who acted: the address of a member, or words for what is no member."""
    return translator(language).gettext(ACTORS[actor]) if actor in ACTORS else actor
