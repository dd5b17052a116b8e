"""The file kinds of a study (docs/architecture.md, "Files"): one module each."""
