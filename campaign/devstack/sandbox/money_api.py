"""The HTTP API of refunds, disputes, balance transactions, payouts and the balance."""

from flask import Response

from campaign.devstack.sandbox import aftermath, payouts
from campaign.devstack.sandbox.answers import account, answer, bp, get_object, list_objects, request_params, run_idempotently, show_object
from campaign.devstack.sandbox.shapes import Doc


@bp.post("/refunds")
def create_refund() -> Response:
    def act(params: Doc) -> Doc:
        charge_id = params.get("charge")
        if not charge_id:
            charge_id = get_object(str(params.get("payment_intent")), "payment_intent")["latest_charge"]
        amount = int(params["amount"]) if "amount" in params else None
        return aftermath.create_refund(account(), get_object(str(charge_id), "charge"), amount, params)

    return run_idempotently(act)


@bp.get("/refunds")
def list_refunds() -> Response:
    params = request_params()
    wanted = {k: params[k] for k in ("payment_intent", "charge") if k in params}
    return list_objects("refund", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/disputes")
def list_disputes() -> Response:
    params = request_params()
    wanted = {k: params[k] for k in ("payment_intent", "charge") if k in params}
    return list_objects("dispute", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/disputes/<object_id>")
def show_dispute(object_id: str) -> Response:
    return show_object(object_id, "dispute")


@bp.get("/balance")
def show_balance() -> Response:
    return answer(payouts.balance(account()))


@bp.get("/balance_transactions")
def list_balance_transactions() -> Response:
    params = request_params()
    wanted = {k: params[k] for k in ("source", "type", "currency") if k in params}
    payout = params.get("payout")

    def matches(doc: Doc) -> bool:
        in_payout = payout is None or doc.get("sandbox_payout") == payout
        return in_payout and all(doc[k] == v for k, v in wanted.items())

    return list_objects("balance_transaction", matches)


@bp.get("/payouts")
def list_payouts() -> Response:
    params = request_params()
    return list_objects("payout", lambda doc: "status" not in params or doc["status"] == params["status"])


@bp.get("/payouts/<object_id>")
def show_payout(object_id: str) -> Response:
    return show_object(object_id, "payout")


@bp.post("/payouts")
def create_payout() -> Response:
    return run_idempotently(lambda params: payouts.create_payout(account(), currency=str(params.get("currency") or "cad").lower()))
