"""
The verbs of `loyalty`, one noun a file.

`main` assembles them lazily; `errors` says how a verb ends badly, `output` how it prints,
`connection` how it reaches the broker.
"""
