"""How long each stage of the frame loop takes, against a floor measured in the same run."""
