"""The study as its config states it.

1. `settings`: the whole config as one class.
2. `check`, `check_models`: faults that no class can know.
3. `models`: the study's models, checkpoints among them, and the role of each; `trajectories`:
   the points of trainings, made here or by others.
4. `digest`: the code behind each rule, so that an edited formula runs again.
5. `resources`, `alignment_size`, `reading_load`, `costs`: memory, time and money before a run.
6. `forks`, `fork_server`, `groups`, `progress`, `logs`: how jobs run.
7. `reference`: docs/config.md and the JSON Schema.
"""
