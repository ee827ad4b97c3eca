"""The real model over the real crops, frame by frame, as at the rig: every published label comes out."""

import h5py
import numpy as np
import pytest

from offline.model_import import ImportOptions, MoseqFiles, import_model
from offline.moseq_model import read_moseq_model
from online import decoder, projection
from online.model import ModelBundle
from tests.real_data import MOSEQ, needs_moseq

pytestmark = needs_moseq


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    names = ("pca.h5", "pca.yaml", "pca_scores.h5", "mock_model.p", "results_00.h5")
    return import_model(MoseqFiles(*(MOSEQ / name for name in names)), ImportOptions(30.0, 1.0))


def test_labels_are_the_likeliest_syllables_of_the_crops_streamed(bundle: ModelBundle) -> None:
    assert bundle.projection is not None
    with h5py.File(MOSEQ / "results_00.h5") as file:
        uuid, crops = file["metadata/uuid"][()].decode(), file["frames"][()]
    with h5py.File(MOSEQ / "pca_scores.h5") as file:
        frame_of_row, published = file["scores_idx"][uuid][()], file["scores"][uuid][:, : bundle.arhmm.num_dims]
    labels = read_moseq_model(MOSEQ / "mock_model.p").labels[uuid]
    projecting = projection.init(bundle.projection, crops.shape[1])
    state = decoder.init(bundle.arhmm, bundle.whitening, missing_lags="skip")
    spread, elapsed, right, errors = np.nanstd(published, axis=0), 0, [], []
    for row, frame in enumerate(frame_of_row):
        elapsed += 1
        if np.isnan(frame):
            continue
        scores = projection.step(projecting, crops[int(frame)])
        errors.append(np.abs(scores - published[row]) / spread)
        decoded = decoder.step(state, scores, elapsed)
        elapsed = 0
        if decoded.has_evidence:
            right.append(decoded.log_likelihood.argmax() == labels[row])
    assert np.max(errors) < 1e-4
    assert len(right) == 892
    assert all(right)


def test_filtering_and_filled_lags_agree_with_the_published_labels(bundle: ModelBundle) -> None:
    """The filter weighs the estimated transitions too; filling gives dropped frames' followers evidence as well."""
    with h5py.File(MOSEQ / "pca_scores.h5") as file:
        sessions = {uuid: np.asarray(d[:, : bundle.arhmm.num_dims], np.float64) for uuid, d in file["scores"].items()}
    labels = read_moseq_model(MOSEQ / "mock_model.p").labels
    for uuid, scores in sessions.items():
        state, agree = decoder.init(bundle.arhmm, bundle.whitening), []
        for row, label in zip(scores, labels[uuid], strict=True):
            decoded = decoder.step(state, row, 1)
            np.testing.assert_allclose(decoded.posterior.sum(), 1)
            if decoded.has_evidence:
                agree.append(decoded.posterior.argmax() == label)
        assert len(agree) >= 892
        assert np.mean(agree) > 0.98
