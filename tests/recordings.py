"""Small depth recordings on disk, in every form that is read."""

import json
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 48, 64
STEPS = (1, 1, 1, 3, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
SLOTS = np.concatenate(([0], np.cumsum(STEPS)))
PERIOD_MS = 33.25
TIMESTAMPS_MS = 5000.0 + SLOTS * PERIOD_MS
LENS = {"fx": 60.0, "fy": 61.0, "cx": 32.0, "cy": 24.0}


def depth_frames(num_frames: int = len(SLOTS)) -> NDArray[np.uint16]:
    """Frames that all differ, with holes."""
    frames = np.random.default_rng(0).integers(600, 700, (num_frames, HEIGHT, WIDTH)).astype(np.uint16)
    frames[:, 0, 0] = 0
    frames[:, 1, 1] = np.arange(num_frames)
    return frames


def write_metadata(folder: Path) -> None:
    """metadata.json and depth_ts.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"SessionName": "small", "DepthResolution": [WIDTH, HEIGHT], "Intrinsics": LENS}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    np.savetxt(folder / "depth_ts.txt", np.c_[TIMESTAMPS_MS, np.zeros(len(SLOTS))], fmt="%.4f")


def write_dat(folder: Path) -> Path:
    """A folder with depth.dat."""
    write_metadata(folder)
    depth_frames().astype("<u2").tofile(folder / "depth.dat")
    return folder


def write_avi(folder: Path) -> Path:
    """A folder with depth.avi, FFV1 with key frames every 12."""
    write_metadata(folder)
    with av.open(str(folder / "depth.avi"), "w") as container:
        stream = container.add_stream(
            "ffv1", rate=30, options={"slices": "4", "slicecrc": "1", "g": "12", "level": "3"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray16le"
        for frame in depth_frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray16le")))
        container.mux(stream.encode())
    return folder


def write_tar(folder: Path) -> Path:
    """An archived session whose depth stands before what describes it."""
    write_dat(folder / "unpacked")
    archive = folder / "session_20260101120000.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("depth.dat", "metadata.json", "depth_ts.txt"):
            tar.add(folder / "unpacked" / name, name)
    return archive


def write_azure_mkv(folder: Path) -> Path:
    """A folder with an .mkv as Azure Kinect's recorder writes it: raw b16g pixels, a track titled DEPTH, no text files.

    Libav's muxer does not write the four-character code of raw video, so it is set in the finished file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "output.mkv"
    with av.open(str(file), "w", options={"allow_raw_vfw": "1"}) as container:
        colour = container.add_stream("ffv1", rate=30)
        colour.width, colour.height, colour.pix_fmt = 16, 16, "yuv420p"
        colour.metadata["title"] = "COLOR"
        depth = container.add_stream("rawvideo", rate=1000)
        depth.width, depth.height, depth.pix_fmt = WIDTH, HEIGHT, "gray16be"
        depth.metadata["title"] = "DEPTH"
        for slot, frame in zip(SLOTS, depth_frames(), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="gray16be")
            picture.pts, picture.time_base = round(slot * PERIOD_MS), Fraction(1, 1000)
            container.mux(depth.encode(picture))
            grey = av.VideoFrame.from_ndarray(np.full((24, 16), 128, np.uint8), format="yuv420p")
            container.mux(colour.encode(grey))
        container.mux(depth.encode())
        container.mux(colour.encode())
    raw = file.read_bytes()
    named = raw.replace(b"\x01\x00\x10\x00\x00\x00\x00\x00", b"\x01\x00\x10\x00b16g", 1)
    assert named != raw
    file.write_bytes(named)
    return folder


def with_lens(folder: Path) -> Path:
    """Add a metadata.json that tells of the lens alone."""
    (folder / "metadata.json").write_text(json.dumps({"Intrinsics": LENS}))
    return folder
