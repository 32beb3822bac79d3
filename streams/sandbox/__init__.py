"""A whole shop on one machine: a real Kafka, a real data set, tills and an auditor."""
