"""The library behind the workflow: pure functions on arrays and tables.

It knows nothing of Snakemake, of paths in a study or of the config (docs/architecture.md).
"""

import os

# torch's large tensors in huge pages, as NumPy's: new memory costs a fault per page.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
