"""A model bundle from what moseq2 leaves behind: pca.h5, pca.yaml, pca_scores.h5, the model file, results_00.h5."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from offline.arhmm.regression import ar_parameters
from offline.moseq_arhmm import (
    covariance_from,
    estimated_transitions,
    usage_of,
    whitening_of,
)
from offline.moseq_model import MoseqModel, choose_transition_matrix, read_moseq_model
from offline.moseq_pca import (
    Results,
    filter_that_made,
    read_components,
    read_pixel_filter,
    read_results,
    read_scores,
    read_statistics,
)
from offline.results import read_extraction
from offline.scores import session_key, session_sha256
from online.emission import log_likelihoods, whiten
from online.errors import ConfigError
from online.model import ARHMM, Array, ExtractionSettings, ModelBundle, Projection, Provenance, Whitening
from online.novelty import calibrate, session_log_evidence

KINECT_V2_SHAPE_PX = (424, 512)
KINECT_V2_FOCAL_PX = 256 / np.tan(np.radians(70.6) / 2)
"""361.6 px: half of 512 columns over the tangent of half the horizontal field of view."""


@dataclass(frozen=True, slots=True)
class MoseqFiles:
    """The files of one trained model; `results` is one of the sessions it was trained on."""

    pca: Path
    pca_yaml: Path
    scores: Path
    model: Path
    results: Path | None


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the files do not say. `blur_sigma_px` (x, y) and `mm_per_px` are needed where there is no results file."""

    frame_rate_hz: float
    pseudo_count: float
    mm_per_px: float | None = None
    blur_sigma_px: tuple[float, float] | None = None
    group: str | None = None
    covariance_floor: float | None = None


def import_model(files: MoseqFiles, options: ImportOptions) -> ModelBundle:
    """Convert; `provenance.notes` says, line by line, what was found, chosen and checked.

    Raises
    ------
    FileFormatError
        if a file is damaged or of another kind.
    ConfigError
        if something has to be decided that the files leave open.
    """
    model = read_moseq_model(files.model)
    results = read_results(files.results) if files.results else None
    notes: list[str] = []
    projection, whitening, scores = _front_end(files, options, model, results, notes)
    arhmm = _arhmm(model, options, notes)
    _check_labels(model, arhmm, {uuid: whiten(whitening, s) for uuid, s in scores.items()}, notes)
    learned = bool(model.transition_matrices)
    evidence = [session_log_evidence(arhmm, whitening, scores[uuid]) for uuid in model.labels]
    return ModelBundle(
        frame_rate_hz=_frame_rate(options, results),
        extraction=_extraction(options, results, files.results, projection),
        projection=projection,
        whitening=whitening,
        arhmm=arhmm,
        usage=usage_of(model.labels.values(), model.num_syllables),
        provenance=Provenance(
            made_by=f"etholoop model import {version('etholoop')}",
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            transition_source="learned" if learned else "estimated from labels",
            pseudo_count=None if learned else options.pseudo_count,
            data_sha256={
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (files.pca, files.pca_yaml, files.scores, files.model, files.results)
                if path is not None
            }
            | {session_key(uuid): session_sha256(scores[uuid]) for uuid in model.labels},
            versions={"numpy": np.__version__},
            notes="\n".join(notes),
        ),
        novelty=calibrate(evidence, options.frame_rate_hz),
    )


def _front_end(
    files: MoseqFiles, options: ImportOptions, model: MoseqModel, results: Results | None, notes: list[str]
) -> tuple[Projection, Whitening, dict[str, Array]]:
    """Projection and whitening as the model's training used them, and the scores that it was trained on."""
    components = read_components(files.pca, model.num_dims)
    scores = read_scores(files.scores, model.num_dims)
    absent = sorted(set(model.labels) - set(scores.by_session))
    if absent:
        raise ConfigError(f"{files.scores}: has no session {absent[0]}, which the model was trained on")
    stated = read_pixel_filter(files.pca_yaml)
    if options.blur_sigma_px:
        stated = replace(stated, blur_sigma_x_px=options.blur_sigma_px[0], blur_sigma_y_px=options.blur_sigma_px[1])
    pixel_filter = stated
    if results:
        pixel_filter, error = filter_that_made(scores, results, components, stated)
        notes.append(f"scores reproduced from the crops of {results.uuid} to {error:.1e} standard deviations")
    elif stated.blur_sigma_x_px != stated.blur_sigma_y_px and not options.blur_sigma_px:
        raise ConfigError(
            f"{files.pca_yaml} states blur widths {stated.blur_sigma_x_px} and {stated.blur_sigma_y_px}, but versions "
            "of moseq2-pca applied the first to both axes: give --results results_00.h5 of a training session to find "
            f"out, or decide with --blur-sigma {stated.blur_sigma_x_px} {stated.blur_sigma_x_px}"
        )
    notes.append(f"blur before PCA: sigma {pixel_filter.blur_sigma_x_px} x {pixel_filter.blur_sigma_y_px} px")
    whitening = _whitening(model, scores.by_session, notes)
    statistics = read_statistics(files.pca)
    if statistics is None:
        notes.append(f"{files.pca.name} has no mean crop: pixels that something hides cannot be filled in")
    projection = Projection(components, None, pixel_filter, statistics)
    return projection, whitening, scores.by_session


def _whitening(model: MoseqModel, scores: dict[str, Array], notes: list[str]) -> Whitening:
    if model.whitening is not None:
        notes.append("whitening read from the model file")
        return model.whitening
    if model.whiten == "none":
        notes.append("no whitening, as the model file states")
        return Whitening(np.zeros(model.num_dims), np.eye(model.num_dims))
    if model.whiten == "each" and len(scores) > 1:
        raise ConfigError(
            "the model whitened each session by itself, which cannot be done live: train with --whiten all"
        )
    notes.append(f"whitening computed from all {len(scores)} sessions of scores")
    return whitening_of(scores.values())


def _arhmm(model: MoseqModel, options: ImportOptions, notes: list[str]) -> ARHMM:
    k = model.num_syllables
    transitions = choose_transition_matrix(model, options.group)
    if transitions is None:
        transitions, counted = estimated_transitions(model.labels.values(), k, options.pseudo_count)
        notes.append(
            f"transition matrix estimated from {counted.sum()} labelled transitions with a pseudo-count of "
            f"{options.pseudo_count:g} a row: the model file holds none"
        )
    elif transitions.shape != (k, k):
        raise ConfigError(f"the model object's transition matrix is {transitions.shape}, its syllables are {k}")
    else:
        notes.append("transition matrix read from the model object")
    if options.covariance_floor is not None:
        notes.append(f"innovation variances raised to at least {options.covariance_floor:g} (whitened units)")
    coefficients, bias = ar_parameters(model.ar_mat)
    return ARHMM(
        ar_coefficients=coefficients,
        ar_bias=bias,
        ar_covariance=covariance_from(model.sig, options.covariance_floor),
        degrees_of_freedom=model.degrees_of_freedom,
        transition_matrix=transitions,
        initial_probability=np.full(k, 1 / k),
    )


def _check_labels(model: MoseqModel, arhmm: ARHMM, x_by_session: dict[str, Array], notes: list[str]) -> None:
    """Note how many published labels are the most likely ones; refuse if the files cannot belong together."""
    agree = tested = 0
    for uuid, labels in model.labels.items():
        x = x_by_session[uuid]
        if len(labels) != len(x):
            raise ConfigError(f"session {uuid} has {len(labels)} labels but {len(x)} rows of scores: other scores?")
        likelihood = log_likelihoods(arhmm, x)
        rows = np.isfinite(likelihood).all(1) & (labels >= 0)
        agree += int((likelihood[rows].argmax(1) == labels[rows]).sum())
        tested += int(rows.sum())
    share = agree / max(tested, 1)
    notes.append(f"{agree} of {tested} testable labels ({100 * share:.1f} %) are the syllable of largest likelihood")
    if tested and share < min(0.2, 5 / arhmm.num_syllables):
        raise ConfigError(
            f"only {100 * share:.1f} % of the model's labels fit its own scores: do the model and the scores belong "
            "together, and was the model trained with whitening over all sessions?"
        )


def _frame_rate(options: ImportOptions, results: Results | None) -> float:
    measured = results.frame_rate_hz if results else None
    if measured is not None and abs(measured / options.frame_rate_hz - 1) > 0.1:
        raise ConfigError(f"the results file runs at {measured:.1f} frames a second, --frame-rate says otherwise")
    return options.frame_rate_hz


def _extraction(
    options: ImportOptions, results: Results | None, path: Path | None, projection: Projection
) -> ExtractionSettings:
    mm_per_px = options.mm_per_px
    if mm_per_px is None:
        if results is None:
            raise ConfigError("the size of a crop pixel is unknown: give --results results_00.h5 or --mm-per-pixel")
        if results.sensor_shape_px != KINECT_V2_SHAPE_PX:
            raise ConfigError(f"{results.sensor_shape_px} is no Kinect v2 image: give --mm-per-pixel in true mm")
        mm_per_px = float(results.true_depth_mm / KINECT_V2_FOCAL_PX)
    crop_size_px = round(projection.components.shape[1] ** 0.5)
    if path is None:
        return ExtractionSettings(mm_per_crop_pixel=mm_per_px, crop_size_px=crop_size_px)
    return read_extraction(path, crop_size_px, mm_per_px)
