"""The HTTP views: each one parses the request, calls an operation, commits, and renders the result."""
