"""The words to which a donor agrees to news, as the donation form has them: a consent is proved by what was agreed to (CASL, section 13)."""

from campaign.texts.catalogue import translator


def consent_words(language: str) -> str:
    """What the form in this language says beside the box and under it."""
    to = translator(language)
    parts = (to.gettext("Send me news about what gifts make possible"), to.gettext("A few emails a year. You can stop them at any time."))
    return ". ".join(parts)
