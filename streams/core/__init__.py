"""Decisions about points, money and time; pure: no clock, no randomness, no I/O.

What a document is: `receipt`.  Where it goes: `routing`, `ownership`.  What campaigns pay:
`programme`, `campaigns`, `conditions`, `matching`.  What the ledger does with it: `account`,
`lots`, `settled`, `postings`, `result`, `snapshot`.  The seam between both is `accrual`.
"""
