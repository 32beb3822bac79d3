"""
The read side: what the topics say, to whoever asks.

`log` reads topics, committed records only, to their end; `values` turns their bytes into
plain values and hides personal data; `member` explains an account, `receipt` one document,
`letters` what could not be read, `published` the programmes and campaigns; `audit` checks
the books.  Nothing here writes, and nothing here joins a consumer group.
"""
