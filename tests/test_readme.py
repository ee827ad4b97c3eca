"""What the README tells a newcomer to type fits together."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_recording_to_run_on_is_the_one_that_was_simulated() -> None:
    made = re.search(r"etholoop simulate --out live .* --seed (\d+)", README)
    played = re.search(r'path = "live/session_(\d+)"', README)
    assert made is not None
    assert played is not None
    assert played[1] == f"{int(made[1]):04d}"
