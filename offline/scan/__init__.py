"""Choosing kappa, innovations, lags and components on held-out sessions, and among restarts."""
