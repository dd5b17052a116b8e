"""The library behind the workflow: pure functions on arrays and tables.

It knows nothing of Snakemake, of paths in a study or of the config (docs/architecture.md).
"""
