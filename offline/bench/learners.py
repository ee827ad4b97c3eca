"""Engines that learn an AR-HMM, behind one interface: ours, and the peers that are installed.

Peers are imported by name, only here and only for this comparison; nothing depends on them. Each is used as its
documentation says: dynamax's EM with k-means off and its own initialisation, jax-moseq's Gibbs sampler with
keypoint-moseq's hyper-parameters. Conversions to our canonical model: dynamax's lags are newest first and its bias
apart; jax-moseq's lags are oldest first and its bias last.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from offline.arhmm.data import Sessions
from offline.arhmm.gibbs import Settings, start, sweep, workers
from offline.arhmm.regression import ar_parameters
from offline.arhmm.summary import empty_accumulator, summarise, take
from offline.arhmm.transitions import StickyHDP
from online.model import ARHMM, Array

KAPPA = 1e3


@dataclass(frozen=True, slots=True)
class Size:
    """Of the benchmark: sessions of so many frames, dimensions, lags and syllables."""

    sessions: int
    frames: int
    dims: int
    lags: int
    states: int
    threads: int


class Learner(Protocol):
    """A chain or an EM run: `step` is one sweep or iteration, finished when it returns."""

    def step(self) -> None:
        """Advance by one."""

    def model(self) -> ARHMM:
        """The present parameters."""


class Ours:
    """The Gibbs sampler of `etholoop train`."""

    def __init__(self, train: Sessions, size: Size) -> None:
        self._train = train
        self._settings = Settings(StickyHDP(KAPPA), max_syllables=size.states)
        self._context = workers(size.threads)
        self._pool = self._context.__enter__()
        self._chain = start(train, self._settings)

    def step(self) -> None:
        """One sweep."""
        sweep(self._chain, self._train, self._settings, self._pool)

    def model(self) -> ARHMM:
        """Posterior means given the present syllables: what `etholoop train` would write if it averaged this sweep."""
        sums = empty_accumulator(self._settings, self._train)
        take(sums, self._chain)
        return summarise(sums, self._chain.prior, self._settings)[0]


class Dynamax:
    """dynamax's LinearAutoregressiveHMM, EM in float32."""

    def __init__(self, train: Sessions, size: Size) -> None:
        jax: Any = importlib.import_module("jax")
        models: Any = importlib.import_module("dynamax.hidden_markov_model")
        hmm = models.LinearAutoregressiveHMM(size.states, size.dims, num_lags=size.lags)
        emissions = jax.numpy.asarray(train.x.reshape(size.sessions, size.frames, size.dims), jax.numpy.float32)
        inputs = jax.vmap(hmm.compute_inputs)(emissions)
        chosen = train.x[np.random.default_rng(0).choice(len(train.x), size.states, replace=False)]
        identity = np.concatenate([np.eye(size.dims), np.zeros((size.dims, size.dims * (size.lags - 1)))], axis=1)
        self._params, props = hmm.initialize(
            jax.random.PRNGKey(0),
            emission_weights=jax.numpy.asarray(np.tile(0.9 * identity, (size.states, 1, 1)), jax.numpy.float32),
            emission_biases=jax.numpy.asarray(0.1 * chosen, jax.numpy.float32),
        )
        self._m_step_state = hmm.initialize_m_step_state(self._params, props)
        self._block: Callable[[Any], Any] = jax.block_until_ready

        self._data = (emissions, inputs)

        def em_step(params: Any, state: Any, data: Any) -> Any:
            statistics, _ = jax.vmap(partial(hmm.e_step, params))(*data)
            return hmm.m_step(params, props, statistics, state)

        self._em_step = jax.jit(em_step)

    def step(self) -> None:
        """One EM iteration."""
        self._params, self._m_step_state = self._block(self._em_step(self._params, self._m_step_state, self._data))

    def model(self) -> ARHMM:
        """The present estimate."""
        found = self._params.emissions
        weights = np.asarray(found.weights, np.float64)
        k, d, _ = weights.shape
        newest_first = weights.reshape(k, d, -1, d).transpose(0, 2, 1, 3)
        return _model(
            newest_first[:, ::-1],
            np.asarray(found.biases, np.float64),
            np.asarray(found.covs, np.float64),
            np.asarray(self._params.transitions.transition_matrix, np.float64),
        )


class JaxMoseq:
    """jax-moseq's AR-HMM, Gibbs sampling, in float64 as its documentation asks for, or float32."""

    def __init__(self, train: Sessions, size: Size, double: bool) -> None:
        jax: Any = importlib.import_module("jax")
        jax.config.update("jax_enable_x64", double)
        self._arhmm: Any = importlib.import_module("jax_moseq.models.arhmm")
        kind = np.float64 if double else np.float32
        x = jax.numpy.asarray(train.x.reshape(size.sessions, size.frames, size.dims), kind)
        self._data = {"x": x, "mask": jax.numpy.ones(x.shape[:2], kind)}
        transitions = {"num_states": size.states, "gamma": 1e3, "alpha": 5.7, "kappa": KAPPA}
        dynamics = {"latent_dim": size.dims, "nlags": size.lags, "S_0_scale": 0.01, "K_0_scale": 10.0}
        self._block: Callable[[Any], Any] = jax.block_until_ready
        self._model = self._arhmm.init_model(
            data=self._data, seed=jax.random.PRNGKey(0), trans_hypparams=transitions, ar_hypparams=dynamics
        )

    def step(self) -> None:
        """One sweep."""
        self._model = self._arhmm.resample_model(self._data, **self._model)
        self._block(self._model["states"]["z"])

    def model(self) -> ARHMM:
        """The present sample."""
        found = {name: np.asarray(self._model["params"][name], np.float64) for name in ("Ab", "Q", "pi")}
        return _model(*ar_parameters(found["Ab"]), found["Q"], found["pi"])


def _model(coefficients: Array, bias: Array, covariance: Array, matrix: Array) -> ARHMM:
    k = len(bias)
    matrix = np.maximum(matrix, 1e-12)
    return ARHMM(
        ar_coefficients=np.ascontiguousarray(coefficients),
        ar_bias=bias,
        ar_covariance=(covariance + covariance.transpose(0, 2, 1)) / 2,
        degrees_of_freedom=None,
        transition_matrix=matrix / matrix.sum(1, keepdims=True),
        initial_probability=np.full(k, 1 / k),
    )


LEARNERS: dict[str, tuple[str | None, Callable[[Sessions, Size], Learner]]] = {
    "Etholoop": (None, Ours),
    "dynamax EM": ("dynamax", Dynamax),
    "jax-moseq": ("jax_moseq", partial(JaxMoseq, double=True)),
    "jax-moseq float32": ("jax_moseq", partial(JaxMoseq, double=False)),
}
"""Name: the package it needs (None: nothing), and how to make it."""
