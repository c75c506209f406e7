"""Translation outside of a request, through the same gettext catalogue as the pages.

English is the key of each message; French is in translations/fr. `translator(language).gettext("…")` translates at once. A table of
messages marks each with `gettext_noop`, so that extraction finds it, and translates where the message is used.
"""

from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations

from campaign.config import resource


@dataclass(frozen=True)
class Translator:
    """Translates into one language. Values replace the placeholders of a message, written `%(name)s`."""

    language: str
    catalogue: NullTranslations

    def gettext(self, message: str, **values: object) -> str:
        """Return the message in this language, with its placeholders replaced."""
        return self.catalogue.gettext(message) % values

    def ngettext(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the message for this count, which is its placeholder `num`, with the others replaced."""
        return self.catalogue.ngettext(one, many, count) % {"num": count, **values}

    def pgettext(self, context: str, message: str) -> str:
        """Return the translation of the message in this context."""
        return self.catalogue.pgettext(context, message)


@cache
def translator(language: str) -> Translator:
    """Return the translator for `en` or `fr`."""
    if language == "en":
        return Translator(language, NullTranslations())
    with (resource("translations") / language / "LC_MESSAGES" / "messages.mo").open("rb") as file:
        return Translator(language, GNUTranslations(file))


def gettext_noop(message: str) -> str:
    """Mark a message for extraction."""
    return message


def pgettext_noop(context: str, message: str) -> str:
    """Mark a message with a context for extraction."""
    return message
