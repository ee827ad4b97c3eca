"""Each kind of evidence in its own row, in the order asked for."""

import numpy as np

from online import decoder, further_evidence
from online.model import Whitening
from online.simulation.arhmm import random_arhmm, sample

K, D, RATE_HZ = 4, 2, 30.0


def test_rows_hold_what_was_asked_for() -> None:
    model = random_arhmm(3, K, D, 1, mean_duration_frames=8, separation=2.0)
    _, x = sample(model, 40, 3)
    state = decoder.init(model, Whitening(np.zeros(D), np.eye(D)))
    requests = (("predicted", 33.0), ("smoothed", 100.0), ("onset", 1.0))
    further = further_evidence.init(state, requests, RATE_HZ)
    filtered, smoothed = [], []
    for t, row in enumerate(x):
        decoded = decoder.step(state, row, 1)
        ahead, ago, onset = further_evidence.step(further, decoded)
        filtered.append(decoded.posterior.copy())
        smoothed.append(ago.copy())
        assert np.isnan(ago).all() == (t < 3)
        if t > 1:
            np.testing.assert_allclose(ahead, decoded.posterior @ model.transition_matrix, atol=1e-12)
            assert (onset <= decoded.posterior + 1e-12).all()
    late, early = np.array(smoothed[3:]), np.array(filtered[:-3])
    assert late.max(1).mean() > early.max(1).mean()


def test_nothing_asked_for_costs_nothing() -> None:
    model = random_arhmm(3, K, D, 1, mean_duration_frames=8, separation=2.0)
    state = decoder.init(model, Whitening(np.zeros(D), np.eye(D)))
    further = further_evidence.init(state, (), RATE_HZ)
    assert further_evidence.step(further, decoder.step(state, np.zeros(D), 1)) == ()
    assert further.history is None
