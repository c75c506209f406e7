"""Official donation receipts: numbering, content, documents, replacement and cancellation."""
