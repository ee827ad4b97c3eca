"""Learning an AR-HMM from scores: sticky HDP weak limit, Gibbs sampling.

Letters: T frames, N frames of all sessions, K syllables, D dimensions, L lags, P = L * D + 1 regressors.
A regressor row is [x_{t-L}, ..., x_{t-1}, 1], oldest lag first, as in `online.model`.
"""
