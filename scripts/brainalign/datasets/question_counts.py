"""How many questions the published sets have."""

MMLU = {"dev": 285, "test": 14042}
BBH = 6511
