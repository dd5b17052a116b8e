"""The simulated world: texts, readers, brains and questions whose truth is known.

1. `settings`: size and truth of the world.
2. `vocabulary`, `world`, `grammar`: things, facts, and sentences about them.
3. `texts`, `corpus`, `instructions`, `preferences`: what models are trained on.
4. `semantics`, `knowing`: the planted state behind brain responses.
5. `subjects`, `head`, `readers`, `datasets`: brain responses, where they lie, reading times.
6. `questions`, `pairs`, `tasks`: what models are asked.
"""
