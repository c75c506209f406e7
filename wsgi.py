"""The entry point for WSGI servers: `wsgi:app`."""

import gc

from campaign import create_app

app = create_app()
gc.freeze()  # Excludes loaded modules from garbage collection: traversing them would pause every request in the process.
