"""The shell at the rig: cameras, pulse generators, processes, recorder, terminal."""
