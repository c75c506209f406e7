"""For any WSGI server: `wsgi:app`."""

import gc

from campaign import create_app

app = create_app()
gc.freeze()  # What is loaded by now stays: looking through it for garbage would stop every request in the process.
