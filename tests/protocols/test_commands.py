"""`etholoop protocol ...` as an author meets it."""

import json
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import protocols
from online.files.bundle import save_bundle
from online.files.protocol_files import ProtocolFiles
from online.files.session_file import SessionShape, SessionWriter
from online.model import ModelBundle, Provenance, Whitening
from online.simulation.arhmm import random_arhmm
from protocols.materials import gather
from protocols.parse import parse_protocol
from protocols.schema import MOST_OUTPUTS
from rig.main import main
from rig.ttl.configuration import NUM_CHANNELS
from tests.protocols.helpers import HEAD, RULE
from tests.protocols.test_rules import ARMS, SHAM, alike

LIBRARY = sorted((Path(protocols.__file__).parent / "library").glob("*.toml"))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    arhmm = random_arhmm(0, 10, 2, 1)
    made = Provenance("test", "now", "learned")
    whitening = Whitening(np.zeros(2), np.eye(2))
    bundle = ModelBundle(30.0, None, None, whitening, arhmm, np.full(10, 0.1), made)
    save_bundle(tmp_path / "m.model.h5", bundle)
    return tmp_path / "m.model.h5"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_schema_for_editors_accepts_every_example(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    schema = json.loads(run(capsys, "protocol", "schema")[1])
    written = tomllib.loads(path.read_text())
    jsonschema.Draft202012Validator(schema).validate(written)
    assert path.read_text().startswith("# ")
    written["limits"]["max_width"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(written)


def test_the_examples_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in run(capsys, "protocol", "example")[1].splitlines()] == [p.stem for p in LIBRARY]
    assert run(capsys, "protocol", "example", "yoked")[1] == next(p for p in LIBRARY if p.stem == "yoked").read_text()
    assert run(capsys, "protocol", "example", "yolked")[::2] == (
        2,
        "etholoop: there is no example 'yolked'; did you mean 'yoked'?\n",
    )


def test_a_file_is_checked_alone_and_against_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(HEAD + RULE.replace("target = 1", "target = [3, 12]"))
    code, out, err = run(capsys, "protocol", "check", file)
    assert (code, "add --model" in err) == (0, True)
    assert "P(3 or 12) from 0.8 to below 0.5" in out
    code, out, err = run(capsys, "protocol", "check", file, "--model", model)
    assert (code, out) == (2, "")
    assert "12: the model has syllables 0 ... 9" in err
    file.write_text(HEAD + RULE)
    code, out, _ = run(capsys, "protocol", "check", file, "--model", model, "--json")
    assert (code, json.loads(out)["rules"][0]["enter"]) == (0, 0.8)


def own_rule(name: str, file: str) -> str:
    head = f'[[rules]]\nname = "{name}"\nkind = "own"\nfile = "{file}"\nclass = "Own"\n'
    return head + 'refractory_ms = 100\noutput = "laser"\n'


def test_all_mistakes_come_together_whoever_finds_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    file, rig = tmp_path / "p.toml", tmp_path / "rig.toml"
    (tmp_path / "dies.py").write_text("import sys\nsys.exit(3)\n")
    rig.write_text("[board]\nchannels = { led = 0 }\n")
    wrong = HEAD + RULE.replace("target = 1", 'target = "raer"').replace("enter = 0.8", "enter = 1.0")
    wrong += RULE.replace("reward", "second").replace("target = 1", "target = [12]\ndwell_ms = 100_000")
    wrong += own_rule("dies", "dies.py") + own_rule("lost", "lost.py")
    wrong += '[[rules]]\nname = "again"\nkind = "yoked"\nsource = "gone"\noutput = "laser"\n'
    needles = [
        "key 'enter' = 1: a posterior never gets there",
        "key 'target' = 'raer': the model has no syllable of this name",
        "key 'target' = 12: the model has syllables 0 ... 9",
        "key 'dwell_ms' = 100000: longer than any block",
        "dies.py: does not run: SystemExit(3)",
        "lost.py, which the protocol names, cannot be read",
        "gone",
        "'laser', channel = 2: the rig file's board has only {led = 0}",
    ]
    for text, expected in ((wrong, needles), (wrong.replace("enter = 1.0", "enter = 0.9"), needles[1:])):
        file.write_text(text)
        code, out, err = run(capsys, "protocol", "check", file, "--model", model, "--rig", rig)
        assert (code, out) == (2, "")
        assert f"{len(expected)} problems" in err
        for needle in expected:
            assert err.count(needle) == 1, needle


def test_a_file_too_broken_for_its_schedules_still_has_its_targets_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    file = tmp_path / "p.toml"
    file.write_text((HEAD + RULE).replace("target = 1", "target = 12").replace("duration_ms", "duration"))
    code, _, err = run(capsys, "protocol", "check", file, "--model", model)
    assert (code, "'duration' = 100000: unknown key" in err, "12: the model has syllables" in err) == (2, True, True)


def test_a_channel_that_no_board_has_is_a_mistake_of_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert max(NUM_CHANNELS.values()) == MOST_OUTPUTS
    file = tmp_path / "p.toml"
    file.write_text((HEAD + RULE).replace("channel = 2", f"channel = {MOST_OUTPUTS}"))
    code, _, err = run(capsys, "protocol", "check", file)
    assert (code, f"key 'channel' = {MOST_OUTPUTS}: must be below {MOST_OUTPUTS}" in err) == (2, True)


BLINDED = HEAD + alike(RULE + SHAM) + ARMS + '[assignment]\nsealed = "study.sealed"\n'


def test_subjects_are_drawn_sealed_and_unblinded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, sealed = tmp_path / "study.toml", tmp_path / "study.sealed"
    file.write_text(BLINDED)
    subjects = [f"mouse {i}" for i in range(7)]
    command = ["protocol", "seal", file, *(word for subject in subjects for word in ("-s", subject)), "--out", sealed]
    code, out, err = run(capsys, *command)
    assert (code, out) == (0, "")
    assert "paired" not in err + sealed.read_text()
    assert run(capsys, *command)[0] == 2
    files = ProtocolFiles(tmp_path)
    protocol = parse_protocol(BLINDED, "study")
    arms = {subject: gather(protocol, files, subject).arm for subject in subjects}
    assert sorted([*arms.values()].count(arm) for arm in ("paired", "sham")) == [3, 4]
    sessions = []
    for subject, arm in arms.items():
        folder = tmp_path / subject.replace(" ", "_")
        folder.mkdir()
        kept = files.commitment("study.sealed", subject, folder.name, str(arm))
        shape = SessionShape(4, 4, 2, 0, 2, 4, record_depth=False, compression_level=1)
        attributes = {"subject": subject, "session": folder.name, "arm_commitment": kept}
        SessionWriter(folder / "session.h5", shape, {"protocol": BLINDED.encode()}, attributes).close()
        sessions.append(folder)
    code, out, _ = run(capsys, "protocol", "unblind", *sessions, "--assignment", sealed, "--json")
    assert list(json.loads(out).values()) == list(arms.values())
    sealed.unlink()
    run(capsys, *command)
    code, _, err = run(capsys, "protocol", "unblind", *sessions, "--assignment", sealed)
    assert (code, "did not run with" in err) == (2, True)


def test_what_the_system_refuses_is_said_without_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, out = tmp_path / "study.toml", tmp_path / ("x" * 300)
    file.write_text(BLINDED)
    code, _, err = run(capsys, "protocol", "seal", file, "-s", "a", "-s", "b", "--out", out)
    assert (code, err) == (3, f"etholoop: File name too long: {out}\n")
