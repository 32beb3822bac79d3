"""
Bytes to core values and back: the only part of streams that knows Avro.

What tills and the CRM send: `receipts`, `members` (identifiers are hidden here).
What stages send each other: `envelopes`, with the bodies of `messages`.
What stages publish: `outputs`.  Reference data: `references`.
Beside the value: `headers`, `dead_letters`.  What can be wrong: `errors`, and
`schemas.codec.CodecError`.

Where a core value and its record have the same fields (an underscore that Python needs
aside), the codec reads and writes the value itself, and nothing here repeats them.

Every function takes the codec first: its ids come from the committed list or from a
registry.
"""
