"""
What crosses Kafka: the Avro records and their bytes.

`avro/` one file a record and version, never edited once released; `ids.json` the
committed ids of those files; `catalogue` reads both; `codec` turns records into bytes
and back, strictly; `encoding` is its writing half; `registry` brings the schemas to a
schema registry; `evolution` says whether a new version may follow an old one.
"""
