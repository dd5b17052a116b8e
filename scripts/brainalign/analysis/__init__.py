"""From scores to tables (docs/outputs.md has their columns).

1. `records`, `collect`, `scores`, `capabilities`: rows of all models in one table.
2. `averages`, `pairs`, `pair_means`, `contrasts`, `answer_contrasts`: tuned minus vanilla.
3. `values_and_units`, `paired_tests`, `proportions`, `crossed`: whom an interval and a p speak
   for.
4. `predictors`, `association`, `correlations`, `mixed_effects`: correlates of alignment.
5. `baselines`, `reading_baselines`, `reading_loss`, `reading_profiles`, `presentations`,
   `profiles`, `trajectory`, `truth`, `unit_overlap`, `text_controls`, `target_contrasts`: one
   table each; `study_tables`: the tables that some of them start from; `planted`: models of known
   alignment, for `truth`.
6. `published`, `measured`, `published_fits`, `double_descent`: the paper's tables beside ours.
7. `maps`: scores of voxels as images.
8. `headline`, `answers_*`, `verdicts`, `wording`: the answers of the study in words.
"""
