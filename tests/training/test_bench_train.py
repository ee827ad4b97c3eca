"""`etholoop bench train`: what it reports, and that peers' parameters are read as they mean them."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner

from offline.bench import train_command
from offline.bench.learners import Size, _model
from offline.bench.race import Course, Measured, race
from offline.bench.train_command import compared
from online.emission import log_likelihoods
from online.simulation.arhmm import random_arhmm, sample


def test_our_engine_is_measured() -> None:
    course = Course("Etholoop", Size(2, 150, 2, 1, 3, 1))
    course.learn(0.0)
    found = course.measured()
    assert 2 <= len(found.seconds) == len(found.held_out) <= 4
    assert (np.diff(found.seconds) > 0).all()
    assert found.step_s > 0
    assert np.isfinite(found.held_out).all()


def test_times_are_compared_at_the_same_likelihood() -> None:
    ours = Measured("Etholoop", 1.0, 0.5, 0.9, [1.0, 1.5, 2.0, 2.5], [-5.0, -4.5, -4.0, -3.9], 0.3, 0.1)
    peer = Measured("peer", 9.0, 5.0, 8.1, [9.0, 14.0, 19.0, 24.0], [-6.0, -4.2, -4.005, -4.0], 3.0, 0.1)
    row = compared(peer, [ours, peer])
    assert row["times_slower"] == 10
    assert row["times_slower_cpu"] == pytest.approx(9)
    assert row["until_as_good_s"] == 19.0
    assert row["ours_until_as_good_s"] == 2.0
    assert row["until_as_good_times"] == 9.5
    assert "times_slower" not in compared(ours, [ours, peer])


def test_newest_first_lags_are_turned_round() -> None:
    """A peer that keeps its newest lag first, and its bias apart, as dynamax does."""
    truth = random_arhmm(0, 3, 2, 2)
    x = sample(truth, 40, 0)[1]
    theirs = truth.ar_coefficients[:, ::-1].transpose(0, 2, 1, 3).reshape(3, 2, 4)
    newest_first = theirs.reshape(3, 2, 2, 2).transpose(0, 2, 1, 3)
    right = _model(newest_first[:, ::-1], truth.ar_bias, truth.ar_covariance, truth.transition_matrix)
    wrong = _model(newest_first, truth.ar_bias, truth.ar_covariance, truth.transition_matrix)
    np.testing.assert_allclose(log_likelihoods(right, x), log_likelihoods(truth, x))
    assert np.nanmax(np.abs(log_likelihoods(wrong, x) - log_likelihoods(truth, x))) > 0.1


@pytest.mark.parametrize(("name", "module"), [("dynamax EM", "dynamax"), ("jax-moseq float32", "jax_moseq")])
def test_peers_learn(name: str, module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed (extra: peers)")
    (found,) = race([name], Size(2, 300, 2, 2, 3, 1), 0.0)
    assert np.isfinite(found.held_out).all()


def test_the_command_names_what_is_absent() -> None:
    small = ["--sessions", "2", "--frames", "150", "--dims", "2", "--lags", "1", "--states", "3", "--seconds", "0"]
    result = CliRunner().invoke(train_command.command, [*small, "--only", "Etholoop", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert [row["engine"] for row in json.loads(result.stdout)["engines"]] == ["Etholoop"]
