"""For any WSGI server: `wsgi:app`."""

from campaign import create_app

app = create_app()
