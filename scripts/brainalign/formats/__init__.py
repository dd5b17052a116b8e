"""The file kinds of a study (docs/architecture.md, "Files"): one module each.

1. `atomic`: a file is complete or absent.
2. `datasets`: stimuli.parquet and responses.nc, and what is checked of them.
3. `locations`: where targets lie in a brain.
4. `targets`: targets.nc, the scores of every target.
5. `activations`: a tensor per layer, read layer by layer.
6. `tables`: CSV, Parquet and JSON.
7. `text`: UTF-8 text in lines.
"""
