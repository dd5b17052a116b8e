"""Models as files: from a source in the config to a network in memory.

1. `settings`: a class for each type of source; `stages`: checkpoints that others trained.
2. `sources`: the checkpoint folder of a source, downloaded or converted if need be.
3. `gguf_*`, `conversion`: conversion of GGUF files and weight deltas.
4. `manifest`: what a checkpoint is, measured and written down.
5. `architectures`: families of models, their layers and their limits.
6. `loading`, `weights`, `head`, `memory`: a network in memory, with all weights of its files.
7. `inputs`, `chat`: what it is fed.
"""
