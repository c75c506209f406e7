"""Two programs for development and tests: a Stripe sandbox and a mailbox. The service reaches both only over the network.

The service does not import this package, and this package does not import the service.
"""
