"""From raw depth recordings to `proc/results_00.h5`, through the same functions that run at the rig."""
