"""The entry points for web servers: `wsgi:app` for any WSGI server, and `wsgi:front`, which slow clients cannot occupy, for ASGI servers."""

import gc

from campaign import create_app
from campaign.web.front import Front

app = create_app()
settings = app.extensions["services"].settings
front = Front(app, webhook=app.extensions["stripe_webhook"], proxy_hops=settings.proxy_hops, is_https=settings.is_https)
gc.freeze()  # Excludes loaded modules from garbage collection: traversing them would pause every request in the process.
