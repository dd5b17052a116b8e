"""Features that know a share of the planted state."""

import numpy as np
import pytest
from brainalign.encoding.correlation import pearson
from brainalign.simulation.knowing import partly_known
from brainalign.simulation.subjects import centred
from sklearn.linear_model import LinearRegression

ROWS, FEATURES = 6000, 8
GROUPS = [f"story {i // 500:02d}" for i in range(ROWS)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.6, 1.0])
def test_the_best_prediction_of_a_response_correlates_the_root_of_the_share(share):
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((ROWS, FEATURES)) @ rng.standard_normal((FEATURES, FEATURES))
    state = centred(mixed, GROUPS)
    features = partly_known(state, GROUPS, share, rng)
    signal = state @ rng.standard_normal((FEATURES, 40))
    predicted = LinearRegression().fit(features, signal).predict(features)
    # The error of r is below 1 / √6000; fitting 8 weights adds 8 / 6000 of explained variance.
    assert np.abs(pearson(predicted, signal) - np.sqrt(share)).max() < 0.045
    np.testing.assert_allclose(
        np.cov(features, rowvar=False), np.cov(state, rowvar=False), atol=0.06
    )
    means = features.reshape(-1, 500, FEATURES).mean(axis=1)
    np.testing.assert_allclose(means, 0, atol=1e-9)
