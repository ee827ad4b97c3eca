"""A session file gives back what was appended, while it grows and after its writer was killed."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from online.errors import FileFormatError
from online.files.session_file import SessionReader, SessionShape, SessionWriter
from online.files.tables import is_missing, text_of
from online.messages import Event, Frame, Pose, Syllables, Truth

SHAPE = SessionShape(
    height=4,
    width=6,
    num_syllables=3,
    num_further=2,
    num_dims=2,
    crop_size_px=8,
    record_depth=True,
    compression_level=1,
)


def frame(index: int, truth: Truth | None = None) -> Frame:
    return Frame(
        frame_index=index,
        dropped_before=0,
        frame_number=index,
        device_time_ns=index,
        capture_time_ns=index,
        arrival_time_ns=index,
        published_time_ns=index,
        height=4,
        width=6,
        truth=truth,
    )


def lost_mouse(index: int) -> Pose:
    measured = set(Pose.model_fields) - {"frame_index", "missing"}
    nothing = dict.fromkeys(name for name in measured if not name.endswith("_ns"))
    return Pose(frame_index=index, capture_time_ns=1, arrival_time_ns=2, extracted_time_ns=3, missing=True, **nothing)


def write(path: Path) -> SessionWriter:
    writer = SessionWriter(
        path, SHAPE, {"protocol": b"[session]"}, {"subject": "m1", "note": "", "seeds": {"protocol": 3}}
    )
    truth = Truth(syllable=2, onset_frame_index=0, x_mm=0, y_mm=0, heading_rad=0, length_mm=1, height_mm=1)
    for index in range(5):
        depth = np.full((4, 6), index, np.uint16)
        writer.append(frame(index, truth if index == 3 else None), memoryview(depth.tobytes()))
        writer.append(lost_mouse(index), None)
        writer.append(
            Syllables(
                frame_index=index,
                capture_time_ns=1,
                arrival_time_ns=2,
                extracted_time_ns=3,
                decoded_time_ns=4,
                has_evidence=False,
                log_evidence=None,
                phase=0,
                posterior=np.array([0.1, 0.2, 0.7]),
                scores=np.array([np.nan, 1 / 3]),
                further=np.arange(6.0),
                novelty=None,
            ),
            None,
        )
    writer.append(Event(time_ns=1, source="camera", kind="note", detail="é" * 400), None)
    writer.append_loss(7, "frames", 2)
    return writer


def check(path: Path) -> None:
    with SessionReader(path) as session:
        header = session.table("frames/header")
        assert header["frame_index"].tolist() == [0, 1, 2, 3, 4]
        assert is_missing(header["truth_syllable"]).tolist() == [True, True, True, False, True]
        depth = session.array("frames/depth")
        assert depth is not None
        assert depth[3].tolist() == np.full((4, 6), 3).tolist()
        poses = session.table("poses/rows")
        assert np.isnan(poses["x_mm"]).all()
        assert poses["missing"].all()
        posterior = session.array("syllables/posterior")
        scores = session.array("syllables/scores")
        assert posterior is not None
        assert scores is not None
        np.testing.assert_array_equal(posterior[4], [0.1, 0.2, 0.7])
        np.testing.assert_array_equal(scores[4], [np.nan, 1 / 3])
        assert text_of(session.table("events/rows")["detail"][0]) == "é" * 238 + "…"
        assert session.table("losses/rows")["lost"].tolist() == [2]
        assert session.configuration("protocol") == b"[session]"
        assert session.attributes["seeds"] == {"protocol": 3}
        assert session.attributes["subject"] == "m1"
        assert session.attributes["note"] == ""


def test_what_was_appended_comes_back(tmp_path: Path) -> None:
    writer = write(tmp_path / "session.h5")
    writer.flush()
    check(tmp_path)
    writer.close()
    writer.close()
    check(tmp_path / "session.h5")


def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "session.h5"
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"from pathlib import Path; from test_session_file import write, frame\n"
        f"writer = write(Path({str(path)!r})); writer.flush()\n"
        "print('flushed', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"flushed\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    check(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no session file"):
        SessionReader(tmp_path)
    (tmp_path / "session.h5").write_bytes(b"no")
    with pytest.raises(FileFormatError, match="not a readable session file"):
        SessionReader(tmp_path)


def test_what_a_person_typed_is_never_taken_for_json(tmp_path: Path) -> None:
    SessionWriter(tmp_path / "session.h5", SHAPE, {}, {"subject": "{m1", "session": "[1]"}).close()
    with SessionReader(tmp_path) as session:
        assert session.attributes["subject"] == "{m1"
        assert session.attributes["session"] == "[1]"


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_depth_comes_back_as_it_was(tmp_path: Path, level: int) -> None:
    rng = np.random.default_rng(level)
    images = rng.integers(0, 2**16, (9, 4, 6), np.uint16)
    images[3] = 0
    shape = replace(SHAPE, compression_level=level)
    writer = SessionWriter(tmp_path / "session.h5", shape, {}, {})
    for index, image in enumerate(images):
        writer.append(frame(index), memoryview(image.tobytes()))
    writer.close()
    with SessionReader(tmp_path) as session:
        depth = session.array("frames/depth")
        assert depth is not None
        assert np.array_equal(depth[:], images)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_refused_at_once(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "session.h5"
    write(path).close()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(FileFormatError, match="cut short"):
        SessionReader(path)
