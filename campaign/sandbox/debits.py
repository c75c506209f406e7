"""Bank debits: a checkout is complete while its payment is still on the way, for days; then it succeeds or fails."""

from campaign.sandbox import shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Account, Refused

FAILURE = "The customer's bank account could not be debited."


def begin_debit(account: Account, session: Doc, *, name: str, email: str | None) -> Doc:
    """The donor has allowed the debit."""
    if session["status"] != "open":
        raise Refused("This Checkout Session is not open any more.", code="checkout_session_not_open")
    if "acss_debit" not in session["payment_method_types"]:
        raise Refused("This Checkout Session takes no bank debits.", param="payment_method")
    intent = account.intent_of(session)
    intent |= {"status": "processing", "payment_method_types": ["acss_debit"], "sandbox_session": session["id"]}
    account.store.put(intent)
    account.complete(session, intent, payment_status="unpaid", name=name, email=email)
    account.happened("payment_intent.processing", intent)
    return session


def end_debit(account: Account, session: Doc, *, succeeded: bool) -> Doc:
    """Days later the bank says how it ended."""
    intent = account.store.get(str(session["payment_intent"]), "payment_intent")
    if intent is None or intent["status"] != "processing":
        raise Refused("No bank debit of this checkout is on the way.")
    charge = shapes.charge(
        amount=intent["amount"],
        currency=intent["currency"],
        card={},
        payment_intent=intent["id"],
        metadata=intent["metadata"],
        description=intent["description"],
        payment_method_details={"acss_debit": {"bank_name": "STRIPE TEST BANK", "last4": "6789"}, "type": "acss_debit"},
    )
    if succeeded:
        _succeeded(account, session, intent, charge)
    else:
        _failed(account, session, intent, charge)
    return session


def _succeeded(account: Account, session: Doc, intent: Doc, charge: Doc) -> None:
    account.settle(charge)
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "latest_charge": charge["id"]}
    account.store.put(intent)
    account.happened("payment_intent.succeeded", intent)
    session["payment_status"] = "paid"
    account.store.put(session)
    account.happened("checkout.session.async_payment_succeeded", session)


def _failed(account: Account, session: Doc, intent: Doc, charge: Doc) -> None:
    charge |= {"status": "failed", "paid": False, "captured": False, "amount_captured": 0, "failure_message": FAILURE}
    account.store.put(charge)
    account.happened("charge.failed", charge)
    error = {"type": "card_error", "code": "payment_method_not_available", "message": FAILURE}
    intent |= {"status": "requires_payment_method", "last_payment_error": error, "latest_charge": charge["id"]}
    account.store.put(intent)
    account.happened("payment_intent.payment_failed", intent)
    account.happened("checkout.session.async_payment_failed", session)
