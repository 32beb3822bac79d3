"""
Scenarios: a story of a shop that a business person can read, run through the core.

A file tells a programme, campaigns, products, and then steps with what is expected of
each.  It runs on the decisions of the core that the stages make, over memory instead of
topics; nothing is decided here.
"""
