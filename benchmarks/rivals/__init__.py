"""
One job on this engine and on its rivals, each started, fed and watched in the same way.

The job is in `job`; a rival is a file: `ours`, `stock_faust`, `quix`, `bare_loop`, and
`kafka_streams/` in Java.  `environments` brings what the foreign ones need, `process` runs
one, `watching` sees from outside what it does, `course` is what each of them has to run,
and `chain` is three stages of ours one after the other.
"""
