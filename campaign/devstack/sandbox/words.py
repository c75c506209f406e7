"""The texts of the sandbox's pages, in English and in French."""

from gettext import translation
from pathlib import Path

CATALOGUES = Path(__file__).resolve().parent / "translations"


def words(language: str) -> dict[str, str]:
    """The texts in a language, by their name in the templates."""
    gettext = translation("messages", CATALOGUES, languages=[language], fallback=True).gettext
    return {
        "test": gettext("TEST – no real money moves"),
        "pay_to": gettext("Paying a gift"),
        "card": gettext("Card number"),
        "expiry": gettext("Expiry (MM / YY)"),
        "cvc": gettext("Security code"),
        "name": gettext("Name on card"),
        "email": gettext("Email"),
        "or_debit": gettext("Pay by bank debit instead"),
        "or_microdeposits": gettext("Pay by bank debit, verified later by two small deposits"),
        "pay": gettext("Donate"),
        "back": gettext("Back without paying"),
        "closed": gettext("This checkout is over."),
        "done": gettext("Done"),
        "refused": gettext("Refused"),
        "object": gettext("Object"),
        "id": gettext("Identifier"),
        "status": gettext("Status"),
        "payment_status": gettext("Payment status"),
        "amount": gettext("Amount in cents"),
        "amount_paid": gettext("Amount paid in cents"),
        "ahead": gettext("Seconds that the account’s clock is ahead"),
        "skew": gettext("Seconds that Stripe’s clocks differ from ours"),
        "to_sandbox": gettext("Back to the sandbox"),
        "return": gettext("Return to the campaign"),
        "hint": gettext(
            "4242 4242 4242 4242 is paid; 4000 0000 0000 0002 is declined; 4000 0000 0000 9995 lacks funds; 4000 0000 0000 "
            "0259 is disputed; 4000 0000 0000 5126 fails to be refunded. Any future date, any code."
        ),
    }


def refusal(message: str, language: str) -> str:
    """Why a card was refused, as Stripe's page says it in the language of the checkout; the API says it in English."""
    gettext = translation("messages", CATALOGUES, languages=[language], fallback=True).gettext
    known = {
        "Your card was declined.": gettext("Your card was declined."),
        "Your card has insufficient funds.": gettext("Your card has insufficient funds."),
        "Your card has expired.": gettext("Your card has expired."),
        "Your card's security code is incorrect.": gettext("Your card’s security code is incorrect."),
        "An error occurred while processing your card. Try again in a little bit.": gettext(
            "An error occurred while processing your card. Try again in a little bit."
        ),
    }
    return known.get(message, message)
