"""Liveness and readiness probes, for load balancers and operators."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.operations import heartbeats, integrity_checks, job_results
from campaign.operations.job_results import FailingJob, FailureReason
from campaign.web.security import access

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@access("public")
def alive() -> ResponseReturnValue:
    """200 while this process answers; checks nothing else."""
    return jsonify({"status": "alive"})


@bp.get("/readyz")
@access("public")
def ready() -> ResponseReturnValue:
    """200 when the database and a worker are up, with what is degraded; 503 when donations cannot be accepted or processed."""
    try:
        db.session.execute(text("SELECT 1"))
        worker_is_up, silence = heartbeats.is_worker_alive(), heartbeats.webhook_silence()
        failing, unchecked_since = job_results.list_failing(), integrity_checks.silent_since()
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify({"status": "not ready", "because": ["database"]}), 503
    degraded = [] if services().waker.is_up() else ["redis"]
    if silence:
        degraded.append("webhooks")
    if unchecked_since:
        degraded.append("integrity check")
    degraded += dict.fromkeys(_degraded_name(job) for job in failing)
    if not worker_is_up:
        return jsonify({"status": "not ready", "because": ["worker"], "degraded": degraded}), 503
    return jsonify({"status": "ready", "degraded": degraded})


def _degraded_name(job: FailingJob) -> str:
    match job.reason:
        case FailureReason.KEY_REFUSED:
            return "stripe: key refused"
        case FailureReason.STRIPE_UNAVAILABLE:
            return "stripe"
        case FailureReason.CLOCK:
            return "clock"
        case FailureReason.MAILBOX:
            return "mailbox"
        case _:
            return f"job: {job.name}"
