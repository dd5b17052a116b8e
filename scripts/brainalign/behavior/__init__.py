"""Surprisal against reading times.

1. `settings`: a benchmark, as the paper fits it or controlled.
2. `fits`: the names of all measures.
3. `reading_times`: the fits of one model to one dataset; begin here.
4. `terms`, `held_out`, `gains`: regressors, cross-validation, gains in log-likelihood.
5. `readers`, `single_times`, `random_intercept`, `mixed_model`: single readers and mixed models.
6. `layer_profile`, `added`: what each layer adds to the covariates, by ridge.
7. `measures`: eye movements, several measures of each word.
8. `reliability`: ceilings. `token_counts`: the baseline.
9. `published_fits`: fits that others published, made again.
"""
