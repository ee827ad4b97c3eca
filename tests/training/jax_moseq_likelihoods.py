"""jax-moseq's likelihoods, in a process of its own (its threads and warnings stay there).

`python jax_moseq_likelihoods.py PARAMETERS.npz SCORES.npy OUT.npy`
"""

import importlib
import sys

import numpy as np

if __name__ == "__main__":
    arhmm = importlib.import_module("jax_moseq.models.arhmm")
    parameters, scores = np.load(sys.argv[1]), np.load(sys.argv[2]).astype(np.float32)
    per_syllable = zip(parameters["Ab"].astype(np.float32), parameters["Q"].astype(np.float32), strict=True)
    np.save(sys.argv[3], np.stack([np.asarray(arhmm.ar_log_likelihood(scores, each)) for each in per_syllable], axis=1))
