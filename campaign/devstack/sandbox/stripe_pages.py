"""The sandbox's pages: the hosted checkout, the billing portal, and a home page that shows objects, events and controls."""

from decimal import Decimal

from babel.numbers import format_decimal
from flask import Blueprint, abort, current_app, redirect, render_template, request
from werkzeug.wrappers import Response

from campaign.devstack.sandbox import aftermath, debits, faults, payouts, subscription_changes, subscriptions
from campaign.devstack.sandbox.account_setup import ACCESS, PAYMENT_METHODS, PORTAL_FEATURES, portal_configuration, setting
from campaign.devstack.sandbox.answers import account
from campaign.devstack.sandbox.endpoints import RESOURCES
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account
from campaign.devstack.sandbox.words import refusal, words

bp = Blueprint("pages", __name__)


def _sum(cents: int, currency: str, language: str) -> str:
    if cents < 0:
        return "−" + _sum(-cents, currency, language)
    amount = format_decimal(Decimal(cents).scaleb(-2), format="#,##0.00", locale=f"{language}_CA")
    return _FORMATS[language].format(amount=amount, currency=currency.upper())


_FORMATS = {"en": "${amount} {currency}", "fr": "{amount}\u00a0$ {currency}"}


def _session(session_id: str) -> Doc:
    session = account().store.get(session_id, "checkout.session")
    if session is None:
        abort(404)
    return session


def _page(session: Doc, error: str = "", status: int = 200) -> tuple[str, int]:
    language = "fr" if str(session["locale"] or "").startswith("fr") else "en"
    lines = [(line["description"], _sum(line["amount_total"], line["currency"], language)) for line in session["sandbox_lines"]]
    total = _sum(session["amount_total"], session["currency"], language)
    return render_template(
        "checkout.html",
        w=words(language),
        language=language,
        session=session,
        lines=lines,
        total=total,
        error=refusal(error, language),
        form=request.form,
    ), status


@bp.get("/c/pay/<session_id>")
def checkout(session_id: str) -> tuple[str, int]:
    return _page(_session(session_id))


@bp.post("/c/pay/<session_id>")
def pay(session_id: str) -> tuple[str, int] | Response:
    sandbox_account = account()
    number = "".join(c for c in request.form.get("card", "") if c.isdigit())
    declined = ""
    with sandbox_account.store.transaction():
        sandbox_account.key = None
        session = _session(session_id)  # Read inside the transaction, so that a double click pays once.
        name, email = request.form.get("name", "")[:100], request.form.get("email") or None
        try:
            if request.form.get("method") == "debit":
                is_verified = request.form.get("verification") != "microdeposits"
                debits.begin_debit(sandbox_account, session, name=name, email=email, is_verified=is_verified)
            else:
                subscriptions.pay_checkout(sandbox_account, session, number, name=name, email=email)
        except ApiError as error:
            declined = str(error)  # The failed charge is committed, as at Stripe.
    if declined:
        return _page(_session(session_id), declined, 402)
    return redirect(str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session_id), 303)


@bp.get("/p/session/<session_id>")
def portal(session_id: str) -> str:
    """The billing portal: change the card, or cancel the subscription."""
    visit, subscription = _visit(session_id)
    total = sum(item["price"]["unit_amount"] * item["quantity"] for item in subscription["items"]["data"])
    return render_template("portal.html", visit=visit, subscription=subscription, total=_sum(total, subscription["currency"], "en"))


@bp.post("/p/session/<session_id>")
def change_in_portal(session_id: str) -> Response:
    sandbox_account = account()
    with sandbox_account.store.transaction():
        sandbox_account.key = None
        visit, subscription = _visit(session_id)
        if request.form.get("end"):
            _end(sandbox_account, subscription)
        elif request.form.get("keep"):
            subscription_changes.schedule_cancellation(sandbox_account, subscription, "none")
        else:
            number = "".join(c for c in request.form.get("card", "") if c.isdigit())
            subscriptions.change(sandbox_account, subscription, sandbox_card=number)
    return redirect(visit["return_url"] or "/", 303)


def _end(sandbox_account: Account, subscription: Doc) -> None:
    """Cancel now or at the end of the period, as the account's portal is configured."""
    if portal_configuration(sandbox_account.store)["features"]["subscription_cancel"]["mode"] == "immediately":
        subscriptions.cancel(sandbox_account, subscription)
    else:
        subscription_changes.schedule_cancellation(sandbox_account, subscription, "period_end")


def _visit(session_id: str) -> tuple[Doc, Doc]:
    visit = account().store.get(session_id, "billing_portal.session")
    of_customer = [s for s in account().store.newest("subscription", limit=1000) if visit and s["customer"] == visit["customer"]]
    if visit is None or not of_customer:
        abort(404)
    return visit, of_customer[0]


@bp.get("/")
def home() -> str:
    """Recent objects and events, and the controls of the sandbox."""
    store = account().store
    sent = [(store.get(event_id, "event") or {}, attempts, done, last) for event_id, attempts, done, last in store.deliveries(40)]
    balance = payouts.balance(account())
    return render_template(
        "home.html",
        sessions=_newest("checkout.session", "amount_total"),
        charges=[(c, cents) for c, cents in _newest("charge", "amount") if c["status"] == "succeeded"],
        refunds=_newest("refund", "amount"),
        subscriptions=store.newest("subscription", limit=12),
        invoices=[(i, cents) for i, cents in _newest("invoice", "total")],
        month_outcomes=subscription_changes.OUTCOMES,
        next_dispute_statuses={status: sorted(following) for status, following in aftermath.NEXT_STATUSES.items()},
        next_payout_statuses={status: sorted(following) for status, following in payouts.NEXT_STATUSES.items()},
        payment_methods=PAYMENT_METHODS,
        resources=RESOURCES,
        access=ACCESS,
        portal_features=PORTAL_FEATURES,
        only_key=setting(store, "only_key", ""),
        debited=_debited(),
        controls=_controls(),
        disputes=_newest("dispute", "amount"),
        payouts=_newest("payout", "amount"),
        available=_sum(balance["available"][0]["amount"], "cad", "en"),
        pending=_sum(balance["pending"][0]["amount"], "cad", "en"),
        sent=sent,
        delivery=store.switch("delivery", "on"),
        order=store.switch("delivery_order", "oldest"),
        copies=store.switch("delivery_copies", "1"),
        late=store.switch("delivery_late", "0"),
        ahead=int(store.switch("ahead", "0")) // 3600,
        faults=faults.pending(store),
        fault_kinds=faults.KINDS,
    )


def _newest(kind: str, field: str) -> list[tuple[Doc, str]]:
    return [(doc, _sum(doc[field], doc["currency"], "en")) for doc in account().store.newest(kind, limit=12)]


def _debited() -> set[str]:
    """The newest checkouts that were paid by bank debit."""
    return {
        session["id"]
        for session in account().store.newest("checkout.session", limit=12)
        if session["payment_status"] == "paid"
        and "acss_debit" in (account().store.get(session["payment_intent"] or "") or {}).get("payment_method_types", [])
    }


def _controls() -> list[tuple[str, list[str]]]:
    """The path and the documentation of each control."""
    documented = {
        rule.rule: current_app.view_functions[rule.endpoint].__doc__ or ""
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.startswith("control.")
    }
    return [(path, text.split("\n")) for path, text in sorted(documented.items())]
