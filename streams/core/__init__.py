"""Decisions about points, money and time; pure: no clock, no randomness, no I/O.

What a document is: `receipt`.  Where it goes: `routing`, `ownership`.  Which campaigns apply:
`programme`, `campaigns`, `conditions`, `occasion`, `judging`, and `matching` for all of them at
once.  The best combination of those: `problem`, `components`, `optimum`, and the searches
`assembly` and `lane_search`.  What the ledger does: `account`, `lots`, `settled`, `postings`,
`result`, `snapshot`.  The seam between campaigns and ledger is `accrual`.
"""
