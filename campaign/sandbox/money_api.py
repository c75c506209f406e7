"""The stand-in's HTTP API for money that has moved: refunds, disputes, balance transactions, payouts, the balance."""

from flask import Response

from campaign.sandbox import aftermath, payouts
from campaign.sandbox.answers import account, answer, asked_for, bp, do, found, listed, show
from campaign.sandbox.shapes import Doc


@bp.post("/refunds")
def make_refund() -> Response:
    def act(asked: Doc) -> Doc:
        charge_id = asked.get("charge")
        if not charge_id:
            charge_id = found(str(asked.get("payment_intent")), "payment_intent")["latest_charge"]
        amount = int(asked["amount"]) if "amount" in asked else None
        return aftermath.refund(account(), found(str(charge_id), "charge"), amount, asked)

    return do(act)


@bp.get("/refunds")
def list_refunds() -> Response:
    asked = asked_for()
    wanted = {k: asked[k] for k in ("payment_intent", "charge") if k in asked}
    return listed("refund", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/disputes")
def list_disputes() -> Response:
    asked = asked_for()
    wanted = {k: asked[k] for k in ("payment_intent", "charge") if k in asked}
    return listed("dispute", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/disputes/<object_id>")
def show_dispute(object_id: str) -> Response:
    return show(object_id, "dispute")


@bp.get("/balance")
def show_balance() -> Response:
    return answer(payouts.balance(account()))


@bp.get("/balance_transactions")
def list_balance_transactions() -> Response:
    asked = asked_for()
    wanted = {k: asked[k] for k in ("source", "type", "currency") if k in asked}
    payout = asked.get("payout")

    def keep(doc: Doc) -> bool:
        in_payout = payout is None or doc.get("sandbox_payout") == payout
        return in_payout and all(doc[k] == v for k, v in wanted.items())

    return listed("balance_transaction", keep)


@bp.get("/payouts")
def list_payouts() -> Response:
    asked = asked_for()
    return listed("payout", lambda doc: "status" not in asked or doc["status"] == asked["status"])


@bp.get("/payouts/<object_id>")
def show_payout(object_id: str) -> Response:
    return show(object_id, "payout")


@bp.post("/payouts")
def make_payout() -> Response:
    return do(lambda asked: payouts.pay_out(account(), currency=str(asked.get("currency") or "cad").lower()))
