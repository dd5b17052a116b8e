"""Models that the workflow makes: pre-trained, tuned, untrained.

1. `settings`: their sources, and section `tuning`.
2. `pretraining`: a small model of the simulated world.
3. `samples`, `prompts`, `labelling`: instruction data as tokens and labels.
4. `arms`: the same samples without instruction, shuffled, as running text, or as pairs.
5. `tuning`, `trainer`, `lora`, `loss`: the training, and its check.
6. `states`, `processes`, `tuned_checkpoint`: resuming, several GPUs, a finished checkpoint.
7. `untrained`: the same architecture with random weights; `tiny_pair`: two checkpoints to try.
"""
