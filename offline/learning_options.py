"""What `etholoop train` and `etholoop compare` have in common: options, and what follows from them."""

from collections.abc import Sequence
from pathlib import Path

import click

from offline.command_line import say
from offline.scores import ScoredSession

SCORES = click.argument("scores", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
LAGS = click.option(
    "--lags", default=3, show_default=True, type=click.IntRange(1, 20), help="Frames a syllable looks back."
)
PCS = click.option(
    "--pcs", default=10, show_default=True, type=click.IntRange(1, 200), help="Principal components used."
)
SWEEPS = click.option("--sweeps", default=200, show_default=True, type=click.IntRange(1))
PRIOR = click.option(
    "--prior",
    type=click.Choice(["auto", "learned", "fixed"]),
    default="auto",
    show_default=True,
    help="learned: what the syllables have in common is learned, too; the better one where scores follow posture "
    "linearly. fixed: as moseq2-model; a further syllable must earn its place, which keeps the bends of a depth "
    "camera's picture from becoming syllables. auto: fixed for scores of crops, learned for others.",
)
WORKERS = click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes that fit chains."
)
SCHEDULER = click.option(
    "--scheduler", help="Address of a dask scheduler whose workers fit them, e.g. tcp://host:8786."
)
MOST_AVERAGED = 40


def averaged_sweeps(sweeps: int) -> int:
    """Over how many of the last sweeps a chain is averaged: never those in which kappa still rises."""
    return max(1, min(MOST_AVERAGED, sweeps // 2))


def learns_prior(prior: str, pca: Path | None, sessions: Sequence[ScoredSession]) -> bool:
    """Whether the prior is learned, as --prior says; for `auto` the person hears what was taken."""
    if prior != "auto":
        return prior == "learned"
    of_crops = pca is not None or any(session.of_crops for session in sessions)
    say(
        "prior: "
        + ("fixed, for scores of crops" if of_crops else "learned, for scores that are not known to be of crops")
    )
    return not of_crops
