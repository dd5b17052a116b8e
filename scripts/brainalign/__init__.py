"""The library behind the workflow: pure functions on arrays and tables.

Only `study` knows Snakemake and the config; the rest works on entries that it is given
(docs/architecture.md).
"""
