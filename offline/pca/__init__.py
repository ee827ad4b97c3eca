"""Principal components of egocentric crops: streamed, exact, deterministic."""
