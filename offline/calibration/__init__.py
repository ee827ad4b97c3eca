"""Choosing a rule's thresholds from recordings that the model has never seen."""
