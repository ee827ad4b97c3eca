"""Families of models, the cross-likelihood, and the control without modules."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from offline import compare_command
from offline.arhmm.data import assemble, fit_whitening
from offline.arhmm.fit import Schedule
from offline.arhmm.gibbs import Settings
from offline.arhmm.labelling import label, log_likelihoods
from offline.arhmm.transitions import StickyHDP
from offline.compare_command import Comparison, compare
from offline.comparison.cross_likelihood import cross_likelihood, single_process, threshold
from offline.comparison.families import FAMILIES, FamilyData, fit_family
from offline.learning_options import averaged_sweeps
from offline.workers import Here
from online.emission import whiten
from online.errors import ConfigError
from online.model import ARHMM, Array
from online.simulation.arhmm import random_arhmm, sample

FRAMES = 2500
MODEL = random_arhmm(3, num_syllables=4, num_dims=3, num_lags=2, mean_duration_frames=12, separation=2.5)


def family_data(drawn: list[Array], num_held: int = 2, kappa: float = 20.0, sweeps: int = 60) -> FamilyData:
    train, held = drawn[:-num_held], drawn[-num_held:]
    whitening = fit_whitening(train)
    ready = [
        assemble([str(i) for i in range(len(group))], [whiten(whitening, x) for x in group], 2)
        for group in (train, held)
    ]
    return FamilyData(
        ready[0], ready[1], Settings(StickyHDP(kappa), max_syllables=8), Schedule(sweeps, averaged_sweeps(sweeps), 1)
    )


@pytest.fixture(scope="module")
def modular() -> FamilyData:
    drawn = [sample(MODEL, FRAMES, seed)[1] for seed in range(5)]
    drawn[1][50:53] = np.nan
    return family_data(drawn)


@pytest.fixture(scope="module")
def compared(modular: FamilyData) -> Comparison:
    return compare(modular, 5, Here())


def test_ar_hmm_wins_on_modular_data(compared: Comparison) -> None:
    by_name = {f.family.name: f.held_out_per_frame for f in compared.families}
    others = [value for name, value in by_name.items() if name != "AR-HMM"]
    assert by_name["AR-HMM"] > max(others) + 0.1
    assert by_name["AR mixture"] > by_name["Gaussian mixture"] + 0.1
    assert by_name["Gaussian HMM"] > by_name["Gaussian mixture"]
    assert len({tuple(f.frames) for f in compared.families}) == 1


def test_syllables_of_modular_data_are_separated(compared: Comparison) -> None:
    assert compared.level is not None
    assert len(compared.cross.pairs) == 6
    assert (compared.cross.pairs > compared.level).all()


def test_nothing_is_separated_without_modules(modular: FamilyData) -> None:
    """Data from the one linear process that has the spectrum of the modular ones."""
    single = fit_family(modular, FAMILIES[-1])
    train, held = (single_process(single.fit.model, s, 77 + i) for i, s in enumerate((modular.train, modular.held_out)))
    flat = compare(replace(modular, train=train, held_out=held), 5, Here())
    assert flat.level is not None
    assert (flat.cross.pairs > flat.level).sum() == 0
    by_name = {f.family.name: f.held_out_per_frame for f in flat.families}
    assert by_name["single AR"] > by_name["AR-HMM"] - 0.02


def gaussian_mixture_by_hand(model: ARHMM, x: Array) -> NDArray[np.float64]:
    weights = model.transition_matrix[0]
    densities = [multivariate_normal(model.ar_bias[k], model.ar_covariance[k]).pdf(x) for k in range(len(weights))]
    return np.log(weights @ np.array(densities))


def test_a_mixture_is_a_mixture(compared: Comparison, modular: FamilyData) -> None:
    fitted = next(f for f in compared.families if f.family.name == "Gaussian mixture")
    model = fitted.fit.model
    assert model.num_lags == 0
    assert np.ptp(model.transition_matrix, axis=0).max() == 0
    held = modular.held_out
    expected = gaussian_mixture_by_hand(model, held.x)[held.has_evidence].mean()
    assert fitted.held_out_per_frame == pytest.approx(expected, abs=0.002)  # the first frame has a prior of its own


def test_cross_likelihood_by_hand(modular: FamilyData) -> None:
    found = cross_likelihood(MODEL, modular.held_out)
    sums, bouts = np.zeros((4, 4)), np.zeros(4)
    for index in range(2):
        x = modular.held_out.x[modular.held_out.rows(index)]
        labels, likelihood = label(MODEL, x, "viterbi")[0], log_likelihoods(MODEL, x)[0]
        for t in range(2, len(x)):
            sums[:, labels[t]] += likelihood[t] - likelihood[t, labels[t]]
            bouts[labels[t]] += labels[t] != labels[t - 1]
    enough = bouts >= 10
    np.testing.assert_array_equal(found.bouts, bouts)
    np.testing.assert_allclose(found.matrix[:, enough], (sums / np.maximum(bouts, 1))[:, enough], atol=1e-9)
    assert np.isnan(found.matrix[:, ~enough]).all()


def test_the_level_is_beyond_every_control() -> None:
    assert threshold([np.array([1.0, 2.0]), np.array([3.0]), np.empty(0)]) > 3
    assert threshold([np.array([0.5])]) == 0.5


def test_scores_of_crops_are_compared_under_the_prior_that_training_takes(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        for seed in range(3):
            file[f"scores/s{seed}"] = sample(MODEL, 300, seed)[1].astype(np.float32)
            file[f"metadata/s{seed}/DepthResolution"] = [512, 424]
    quick = ["--max-syllables", "12", "--sweeps", "8", "--pcs", "3", "--lags", "1", "--controls", "0", "--json"]

    def families(*more: str) -> object:
        result = CliRunner().invoke(compare_command.command, [str(path), *quick, *more], catch_exceptions=False)
        return json.loads(result.stdout)["families"]

    assert families() == families("--prior", "fixed")
    assert families() != families("--prior", "learned")


def test_sweeps_in_which_kappa_rises_are_not_averaged() -> None:
    assert [averaged_sweeps(n) for n in (1, 2, 9, 60, 200)] == [1, 1, 4, 30, 40]


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        for seed in range(3):
            file[f"scores/s{seed}"] = sample(MODEL, 300, seed)[1].astype(np.float32)
    quick = ["--max-syllables", "6", "--sweeps", "8", "--pcs", "3", "--lags", "2", "--controls", "1"]
    arguments = [str(path), *quick, "--picture", str(tmp_path / "c.png")]
    result = CliRunner().invoke(compare_command.command, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert [f["name"] for f in json.loads(result.stdout)["families"]] == [f.name for f in FAMILIES]
    assert (tmp_path / "c.png").stat().st_size > 10_000
    one = tmp_path / "one.h5"
    with h5py.File(one, "w") as file:
        file["scores/s"] = sample(MODEL, 300, 0)[1].astype(np.float32)
    with pytest.raises(ConfigError, match="none is held out"):
        CliRunner().invoke(compare_command.command, [str(one), *quick], catch_exceptions=False)
