"""brainalign: is a language model more brain-like after instruction tuning?

Read in this order: `study` (the config, checked), `datasets` and `simulation` (stimuli and
responses), `models` and `training` (language models), `reading` (activations, surprisal),
`encoding` (brain alignment), `behavior` (reading times), `capability` (questions), `analysis`
(tables), `figures`. `formats` reads and writes all files. `settings.py` turns a part of a config
into an object; `job.py` wraps every script.
"""
