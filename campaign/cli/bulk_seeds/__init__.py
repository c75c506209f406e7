"""The bulk path of `campaign seed`: a history of up to millions of donations, computed in memory in the order of its events and loaded by COPY.

Nothing here is used by the service. Of its code it uses the pure rules and the texts of receipts; the checker of the books judges the result.
"""
