"""Protocols over recordings: the engine of the rig, fed from files."""
