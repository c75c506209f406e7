"""Is it alive, and can it serve? For load balancers and whoever is on call."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import heartbeats
from campaign.web.security import access

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@access("public")
def alive() -> ResponseReturnValue:
    """This process answers."""
    return jsonify({"status": "alive"})


@bp.get("/readyz")
@access("public")
def ready() -> ResponseReturnValue:
    """200 when database, web and worker work, with what is degraded; 503 when donations cannot be taken or handled."""
    try:
        db.session.execute(text("SELECT 1"))
        worker_is_up, silence = heartbeats.is_recent(), heartbeats.webhooks_silent()
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify({"status": "not ready", "because": ["database"]}), 503
    degraded = [] if outside().waker.is_up() else ["redis"]
    if silence:
        degraded.append("webhooks")
    if not worker_is_up:
        return jsonify({"status": "not ready", "because": ["worker"], "degraded": degraded}), 503
    return jsonify({"status": "ready", "degraded": degraded})
