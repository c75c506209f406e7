"""The service's own work, for workers, the command line, and a page when no worker has a hand free.

Each function is a door: it begins and commits its own transactions, and calls Stripe, mail and the PDF renderer only between them.
"""
