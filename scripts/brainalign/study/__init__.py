"""The study as its config states it.

1. `settings`: the whole config as one class; `model_settings`: an entry of its models.
2. `check`, `check_benchmarks`, `check_own`, `check_own_scans`, `duplicate_keys`: faults that no
   class can know.
3. `models`, `model_sizes`: the study's models, checkpoints among them, their roles and sizes;
   `trajectories`: the points of trainings, made here or by others; `text_controls`: benchmarks of
   altered texts; `volumes`: volumes that hold words; `figure_pages`: which families a page shows.
4. `digest`: the code behind each rule, so that an edited formula runs again.
5. `resources`, `alignment_size`, `reading_load`, `costs`: memory, time and money before a run.
6. `forks`, `fork_server`, `precompile`, `groups`, `progress`, `logs`: how jobs run.
7. `reference`: docs/config.md and the JSON Schema.
"""
