"""`etholoop demo`: the whole of Etholoop on a simulated mouse, by its own commands."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import tomli_w

from offline.command_line import SEED, Number
from offline.demo_targets import Target, labels_and_truth, meanings
from offline.session_picture import draw_session
from offline.session_score import RuleScore, score_session
from online.errors import ConfigError, SessionFailed
from online.files.bundle import load_bundle
from online.files.names import save_names
from online.files.truth_file import read_truth

WIDTH, HEIGHT, FOCAL_PX = 288, 272, 361.6
"""The view of a Kinect v2, cut to the arena."""
LIVE_SEED = 1000
NUM_TARGETS = 2
REFRACTORY_MS = 500


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command's options; see `etholoop demo --help`."""

    out: Path
    seconds: float
    minutes: float
    seed: int
    no_ui: bool


@click.command(epilog="Example: etholoop demo --out demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to fill.")
@click.option(
    "--seconds", default=40.0, show_default=True, type=Number(0, min_open=True), help="Length of the live session."
)
@click.option(
    "--minutes",
    default=2.0,
    show_default=True,
    type=Number(0, min_open=True),
    help="Length of each of the four training recordings.",
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of recordings and training.")
@click.option("--no-ui", is_flag=True, help="No terminal UI during the live session.")
def command(out: Path, seconds: float, minutes: float, seed: int, no_ui: bool) -> None:
    """Simulate a mouse, learn its syllables, close the loop on it live, and score the pulses against the truth.

    \b
    Precision   share of triggers (pulses and catches) whose true syllable, at
                the frame decided on, is the target: exact, no slop.
    Recall      share of the target's true bouts with a trigger inside them;
                bouts that begin within a refractory time do not count.
    Delay       from the true onset (exposure of the bout's first frame) to
                the board's own time of the pulse, over right pulses.
    Latency     from one stage of a frame's way to the next; "capture to
                executed" is the whole way, from exposure to the pulse.
    """
    options = DemoOptions(out.resolve(), seconds, minutes, seed, no_ui)
    if options.out.exists() and any(options.out.iterdir()):
        raise ConfigError(f"{options.out} is not empty: choose another --out, or remove it")
    options.out.mkdir(parents=True, exist_ok=True)
    targets = learn(options)
    session = run_live(options, targets)
    report(options.out, session, targets)


def etholoop(step: str, *arguments: object) -> None:
    """Run one of our commands as a person would, after saying so."""
    click.secho(f"\n== {step}", bold=True, err=True)
    words = [str(argument) for argument in arguments]
    here = f"{Path.cwd()}/"
    click.secho(f"   etholoop {' '.join(word.removeprefix(here) for word in words)}", dim=True, err=True)
    done = subprocess.run([sys.executable, "-m", "rig.main", *words], check=False)
    if done.returncode != 0:
        raise SessionFailed(f"'etholoop {' '.join(words)}' ended with code {done.returncode}")


def learn(options: DemoOptions) -> list[Target]:
    """Recordings, crops, components, model, names; returns the true syllables that were learned best."""
    out = options.out
    view = ("--width", WIDTH, "--height", HEIGHT, "--focal-px", FOCAL_PX)
    etholoop(
        "1 of 6: four recordings of a simulated mouse",
        *("simulate", "--out", out / "recordings", "--minutes", options.minutes, "--seed", options.seed, *view),
    )
    recordings = sorted((out / "recordings").iterdir())
    etholoop("2 of 6: find the mouse in every frame", "extract", *recordings, "--jobs", 2, "--no-movie")
    for recording in recordings:
        (recording / "depth.dat").unlink()
    results = [recording / "proc" / "results_00.h5" for recording in recordings]
    pca, scores, model, labels = (out / n for n in ("pca.h5", "pca_scores.h5", "demo.model.h5", "labels.h5"))
    etholoop("3 of 6: principal components", "pca", *results, "--out", pca, "--scores", scores)
    sizes = ("--max-syllables", 40, "--kappa", 1e4, "--sweeps", 150, "--seed", options.seed)
    etholoop("4 of 6: learn syllables", "train", scores, "--pca", pca, "--out", model, *sizes)
    etholoop("5 of 6: label the recordings as the rig would", "apply", model, scores, "--out", labels)
    names = read_truth(recordings[0] / "truth.h5").syllable_names
    targets = meanings(*labels_and_truth(recordings, labels), names)
    if len(targets) < NUM_TARGETS:
        raise SessionFailed("training found too few of the true syllables: give it more data (--minutes)")
    save_names(model, {k: t.name for t in targets for k in t.labels}, load_bundle(model).arhmm.num_syllables)
    return targets[:NUM_TARGETS]


def run_live(options: DemoOptions, targets: list[Target]) -> Path:
    """Write rig and protocol files, run a session on a mouse never seen; returns the session's folder."""
    out = options.out
    rig, protocol, model, data = (out / n for n in ("rig.toml", "protocol.toml", "demo.model.h5", "sessions"))
    rig.write_text(tomli_w.dumps(rig_file(options.seed)))
    protocol.write_text(tomli_w.dumps(protocol_file(options, targets)))
    words = ["run", "--rig", rig, "--model", model, "--protocol", protocol, "--subject", "demo", "--out", data]
    etholoop(
        "6 of 6: the closed loop, live, on a session that the model has never seen",
        *words,
        *(["--no-ui"] if options.no_ui else []),
    )
    return max(data.iterdir(), key=lambda folder: folder.name)


def rig_file(seed: int) -> dict[str, object]:
    """A rig with a simulated mouse and a simulated board."""
    simulation = {"width": WIDTH, "height": HEIGHT, "focal_px": FOCAL_PX, "seed": seed + LIVE_SEED, "rate_hz": 30}
    return {
        "name": "demo",
        "camera": {"driver": "simulated", "simulation": simulation},
        "arena": {"from_recording": True},
        "board": {"driver": "etholoop", "port": "simulated", "channels": {"laser": 0, "laser 2": 1}},
    }


def protocol_file(options: DemoOptions, targets: list[Target]) -> dict[str, object]:
    """A rule for each target: its probability reaches 0.6, at most one trial in half a second, one in four a catch."""
    rules = [
        {
            "name": target.name,
            "target": [target.name],
            "enter": 0.6,
            "exit": 0.3,
            "refractory_ms": REFRACTORY_MS,
            "catch_probability": 0.25,
            "output": output,
        }
        for target, output in zip(targets, ("laser", "laser 2"), strict=True)
    ]
    outputs = [{"name": n, "channel": c, "width_ms": 100} for c, n in enumerate(("laser", "laser 2"))]
    limits = {"max_width_ms": 250, "max_duty": 0.5, "window_ms": 10_000, "min_interval_ms": 50, "max_pulses": 1000}
    return {
        "session": {"name": "demo", "seed": options.seed, "duration_ms": options.seconds * 1000},
        "rules": rules,
        "outputs": outputs,
        "limits": limits,
    }


def report(out: Path, session: Path, targets: list[Target]) -> None:
    """Score the session, draw it, say where everything is."""
    scores = score_session(session, {target.name: (target.syllable,) for target in targets})
    picture = session / "session.png"
    draw_session(session, picture, true_targets={target.name: target.syllable for target in targets})
    (session / "score.json").write_text(json.dumps([score.as_dict() for score in scores], indent=1))
    click.secho("\nagainst the simulation's truth (definitions: etholoop demo --help)", bold=True)
    click.echo(f"  {'rule':26}{'pulses':>8}{'catches':>9}{'precision':>11}{'recall':>8}{'delay ms, median (p95)':>25}")
    for score in scores:
        click.echo(row_of(score))
    click.echo(f"\nsession   {session}\npicture   {picture}\nmodel     {out / 'demo.model.h5'}")
    click.echo(
        f"again     etholoop run --rig {out}/rig.toml --model {out}/demo.model.h5 "
        f"--protocol {out}/protocol.toml --subject demo --out {out}/sessions"
    )


def row_of(score: RuleScore) -> str:
    """One line of the table."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    delay = "-"
    if score.onset_to_pulse_median_ms is not None:
        delay = f"{score.onset_to_pulse_median_ms:.0f} ({score.onset_to_pulse_p95_ms:.0f})"
    counts = f"  {score.rule:26}{score.pulses:8}{score.catches:9}"
    return f"{counts}{share(score.precision):>11}{share(score.recall):>8}{delay:>25}"
