"""A model reads text.

1. `settings`: how a dataset or a text is read.
2. `contexts`: what precedes each stimulus; `text_controls`: the text altered.
3. `sequences`, `forward`: batches of tokens, and passes over them.
4. `activations`: hidden states of each stimulus.
5. `prediction`, `surprisal`, `next_word`: probabilities of words, bits per word, loss of a text;
   `lens`: bits per word by each layer.
6. `baselines`, `embeddings`, `surprisal_features`: features without a network, word vectors,
   surprisal.
"""
