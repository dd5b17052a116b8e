"""Attention written out (scores, softmax, sum), whatever kernel a model was loaded with."""

from contextlib import contextmanager


@contextmanager
def eager(network):
    """transformers' `eager` attention; a family that cannot change its own (Falcon) keeps it."""
    chosen = network.config._attn_implementation
    network.set_attn_implementation("eager")
    yield network
    network.set_attn_implementation(chosen)
