"""A stand-in for Stripe and a local mailbox, for trials and tests: processes of their own that the service reaches only over the network.

Nothing of the service imports this package, and it imports nothing of the service.
"""
