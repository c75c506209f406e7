"""The HTTP API of refunds, disputes, balance transactions, payouts and the balance."""

from flask import Response

from campaign.devstack.sandbox import aftermath, payouts
from campaign.devstack.sandbox.answers import account, answer, bp, get_object, list_objects, request_params, run_idempotently, show_object
from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.expansion import INCLUDED
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store


@bp.post("/refunds")
def create_refund() -> Response:
    def act(params: Doc) -> Doc:
        charge_id = params.get("charge")
        if not charge_id:
            charge_id = get_object(str(params.get("payment_intent")), "payment_intent")["latest_charge"]
        amount = int(params["amount"]) if "amount" in params else None
        return aftermath.create_refund(account(), get_object(str(charge_id), "charge"), amount, params)

    return run_idempotently(act)


def _refund_list(store: Store, charge: Doc) -> Doc:
    refunds = [refund for refund in store.newest("refund", limit=10_000) if refund["charge"] == charge["id"]]
    return {
        "object": "list",
        "data": [public(refund) for refund in refunds[:10]],
        "has_more": len(refunds) > 10,
        "url": f"/v1/charges/{charge['id']}/refunds",
    }


INCLUDED["charge", "refunds"] = _refund_list


@bp.get("/refunds")
def list_refunds() -> Response:
    return list_objects("refund")


@bp.get("/disputes")
def list_disputes() -> Response:
    return list_objects("dispute")


@bp.get("/disputes/<object_id>")
def show_dispute(object_id: str) -> Response:
    return show_object(object_id, "dispute")


@bp.get("/balance")
def show_balance() -> Response:
    return answer(payouts.balance(account()))


@bp.get("/balance_transactions")
def list_balance_transactions() -> Response:
    payout = request_params().get("payout")
    try:
        if payout is not None:
            payouts.check_is_automatic(account(), payout)
    except ApiError as error:
        return answer(error.body, error.status)
    return list_objects("balance_transaction", lambda doc: payout in {None, doc.get("sandbox_payout")}, handled={"payout"})


@bp.get("/payouts")
def list_payouts() -> Response:
    return list_objects("payout")


@bp.get("/payouts/<object_id>")
def show_payout(object_id: str) -> Response:
    return show_object(object_id, "payout")


@bp.post("/payouts")
def create_payout() -> Response:
    return run_idempotently(lambda params: payouts.create_manual_payout(account(), params))


@bp.post("/payouts/<object_id>/cancel")
def cancel_payout(object_id: str) -> Response:
    return run_idempotently(lambda _: payouts.set_payout_status(account(), get_object(object_id, "payout"), "canceled"))
