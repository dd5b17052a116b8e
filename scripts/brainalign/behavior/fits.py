"""Names of the measures of a fit to reading times, as tables have them (docs/outputs.md)."""

R, ABS_R, PARTIAL_R = "r", "abs_r", "partial_r"
GAIN = "delta_loglik_per_word"
GAIN_PER_OBSERVATION = "delta_loglik_per_observation"
MIXED_GAIN = "mixed_delta_loglik_per_observation"
READ_LOSS = "mean_bits"  # surprisal per word of what readers read

CORRELATIONS = (ABS_R, R, PARTIAL_R)
# Means over words or observations: what stories contribute to them adds up.
GAINS = (GAIN, GAIN_PER_OBSERVATION, MIXED_GAIN)
UNFITTED = (R, ABS_R)  # their stories share no fit
# What each mode stands for: the paper's measure, and the gain over length, frequency and position.
READING = {"legacy": ABS_R, "controlled": GAIN}
# In a sentence, and at an axis.
IN_WORDS = {R: "r", ABS_R: "|r|", GAIN: "Δ log-likelihood per word (nats)"}
AT_AXIS = {ABS_R: "|r| with reading times", GAIN: "Δ log-lik. per word (nats)"}
