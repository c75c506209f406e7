"""Bank debits: the checkout completes and its charge is submitted first; the charge succeeds or fails days later.

The pending charge is in the balance from the start; when it fails, a `payment_failure_refund` takes it out again
(docs.stripe.com/reports/balance-transaction-types).
"""

from collections.abc import Callable
from functools import partial

from campaign.devstack.sandbox import aftermath, clock, shapes
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account, check_is_open

DAY = 24 * 3600
FAILURE = "The customer's bank account could not be debited."


def begin_debit(account: Account, session: Doc, *, name: str, email: str | None, is_verified: bool = True) -> Doc:
    """Complete the checkout with a bank debit. It is processing, or waits until the donor verifies the account by micro-deposits."""
    check_is_open(session)
    if "acss_debit" not in session["payment_method_types"]:
        raise ApiError("This Checkout Session takes no bank debits.", param="payment_method")
    intent = account.get_or_create_intent(session) | {"payment_method_types": ["acss_debit"], "sandbox_session": session["id"]}
    if is_verified:
        intent = _submit(account, intent)
    else:
        arrival = clock.now() + 2 * DAY
        deposits = {"arrival_date": arrival, "hosted_verification_url": session["success_url"], "microdeposit_type": "amounts"}
        intent |= {
            "status": "requires_action",
            "next_action": {"type": "verify_with_microdeposits", "verify_with_microdeposits": deposits},
        }
        account.store.put(intent)
        account.emit("payment_intent.requires_action", intent)
    account.complete(session, intent, payment_status="unpaid", name=name, email=email)
    if is_verified:
        account.emit("payment_intent.processing", intent)
    return session


def verify_debit(account: Account, session: Doc) -> Doc:
    """The donor has verified the bank account: the debit is submitted."""
    intent = account.store.get(str(session["payment_intent"]), "payment_intent")
    if intent is None or intent["status"] != "requires_action":
        raise ApiError("This checkout has no bank debit that waits for its verification.")
    account.emit("payment_intent.processing", _submit(account, intent))
    return session


def _submit(account: Account, intent: Doc) -> Doc:
    charge = shapes.charge(
        id=shapes.new_id("py"),
        amount=intent["amount"],
        currency=intent["currency"],
        card={},
        paid=False,
        payment_intent=intent["id"],
        metadata=intent["metadata"],
        description=intent["description"],
        payment_method_details={"acss_debit": {"bank_name": "STRIPE TEST BANK", "last4": "6789"}, "type": "acss_debit"},
        status="pending",
    )
    account.capture(charge)
    return account.store.put(intent | {"status": "processing", "latest_charge": charge["id"], "next_action": None})


def end_debit(account: Account, session: Doc, *, succeeded: bool) -> Doc:
    """Record the bank's answer: the debit succeeded or failed."""
    intent, charge = _processing(account, session)
    if succeeded:
        _succeed(account, session, intent, charge)
    else:
        _take_out_of_balance(account, charge)
        _fail(account, session, intent, charge)
    return session


def _processing(account: Account, session: Doc) -> tuple[Doc, Doc]:
    intent = account.store.get(str(session["payment_intent"]), "payment_intent")
    charge = account.store.get(str(intent["latest_charge"]), "charge") if intent else None
    if intent is None or charge is None or intent["status"] != "processing":
        raise ApiError("This checkout has no bank debit that is processing.")
    return intent, charge


def _take_out_of_balance(account: Account, charge: Doc) -> None:
    transaction = account.add_balance_transaction(
        -charge["amount"], currency=charge["currency"], source=charge["id"], kind="payment_failure_refund", category="charge_failure"
    )
    charge |= {"failure_balance_transaction": transaction}


def _succeed(account: Account, session: Doc, intent: Doc, charge: Doc) -> None:
    account.store.put(charge | {"status": "succeeded", "paid": True})
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    account.store.put(intent)
    account.emit("payment_intent.succeeded", intent)
    session["payment_status"] = "paid"
    account.store.put(session)
    account.emit("checkout.session.async_payment_succeeded", session)


def _fail(account: Account, session: Doc, intent: Doc, charge: Doc) -> None:
    charge |= {"status": "failed", "paid": False, "captured": False, "amount_captured": 0, "failure_message": FAILURE}
    account.store.put(charge)
    account.emit("charge.failed", charge)
    error = shapes.payment_error(
        {"type": "card_error", "code": "payment_method_not_available", "message": FAILURE},
        charge=charge["id"],
        payment_method=shapes.debit_method(charge["payment_method_details"]["acss_debit"]),
    )
    intent |= {"status": "requires_payment_method", "last_payment_error": error, "latest_charge": charge["id"]}
    account.store.put(intent)
    account.emit("payment_intent.payment_failed", intent)
    account.emit("checkout.session.async_payment_failed", session)


def return_debit(account: Account, session: Doc) -> Doc:
    """The bank returns a debit that had succeeded: a dispute that cannot be contested, whose reason is the bank's, and that is lost at once."""
    intent = account.store.get(str(session["payment_intent"]), "payment_intent")
    charge = account.store.get(str(intent["latest_charge"]), "charge") if intent else None
    if charge is None or charge["status"] != "succeeded" or charge["payment_method_details"]["type"] == "card":
        raise ApiError("This checkout has no bank debit that succeeded.")
    dispute = aftermath.create_dispute(account, charge, reason="insufficient_funds")
    dispute["evidence_details"]["due_by"] = None
    aftermath.set_dispute_status(account, dispute, "lost")
    return session


def fail_after_success(account: Account, session: Doc) -> Doc:
    """A debit that had succeeded fails after all: its payment changes, and its amount leaves the balance as `payment_failure_refund`."""
    intent = account.store.get(str(session["payment_intent"]), "payment_intent")
    charge = account.store.get(str(intent["latest_charge"]), "charge") if intent else None
    if intent is None or charge is None or charge["status"] != "succeeded" or charge["payment_method_details"]["type"] == "card":
        raise ApiError("This checkout has no bank debit that succeeded.")
    _take_out_of_balance(account, charge)
    charge |= {"failure_code": "insufficient_funds"}
    session["payment_status"] = "unpaid"
    account.store.put(session)
    _fail(account, session, intent | {"amount_received": 0}, charge)
    return session


def cancel_debit(account: Account, session: Doc) -> Doc:
    """Cancel a debit that is processing, as its payment intent can be canceled by Stripe or from its dashboard."""
    intent, charge = _processing(account, session)
    _take_out_of_balance(account, charge)
    account.store.put(charge | {"status": "failed", "captured": False, "amount_captured": 0})
    intent |= {"status": "canceled", "canceled_at": clock.now(), "cancellation_reason": "requested_by_customer"}
    account.store.put(intent)
    account.emit("payment_intent.canceled", intent)
    return session


OUTCOMES: dict[str, Callable[[Account, Doc], Doc]] = {
    "verified": verify_debit,
    "succeeded": partial(end_debit, succeeded=True),
    "failed": partial(end_debit, succeeded=False),
    "canceled": cancel_debit,
    "returned": return_debit,
    "failed_after_success": fail_after_success,
}
