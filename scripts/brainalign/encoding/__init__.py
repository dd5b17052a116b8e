"""How well features predict brain responses.

1. `settings`, `splits`: a benchmark; its regression, folds and ceiling.
2. `arrays`, `features`, `layers`, `language_units`, `reduction`, `responses`, `timing`:
   arrays with one row per stimulus or volume.
3. `benchmark`: a benchmark on the rows at hand.
4. `scoring`, `scorers`: folds and layers on arrays, by regression or by similarity.
5. `regression`, `operators`, `inner_folds`, `unit_folds`, `banded`: least squares and ridge.
6. `similarity`, `correlation`: RSA, CKA, Pearson's r of many targets.
7. `alignment`, `finished_layers`, `layer_choice`, `summary`, `chosen`: the table of
   all layers and the chosen one.
8. `target_scores`: the file of every target's scores.
9. `chance`, `surrogates`, `cells`: null distributions of r, p of targets.
10. `ceilings`, `ceiling_table`, `pools`, `extrapolation`, `disattenuation`, `subject_ceilings`,
   `repeats`: noise ceilings.
"""
