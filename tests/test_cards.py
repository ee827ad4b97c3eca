"""Cards of syllables: durations, speeds and instances are those that the labels mean; the file keeps them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from offline.cards_command import command
from offline.results import open_results
from online.cards import Card, Clip, LabelledFrames, measure, typical, whole_bouts
from online.errors import ConfigError, FileFormatError
from online.files.bundle import bundle_sha256, save_bundle
from online.files.cards_file import CardBox, cards_path, load_cards, save_cards
from tests.rigs import tiny_model
from tests.tui.sessions import write_session

RATE_HZ = 30.0


def frames(labels: list[int]) -> LabelledFrames:
    found = np.array(labels)
    return LabelledFrames(found, found * 10.0, np.where(found == 1, np.nan, found + 20.0))


def test_bouts_without_a_known_length_are_left_out() -> None:
    bouts = whole_bouts(np.array([0, 0, 1, 1, 1, 2, -5, 3, 3, 0, 0]))
    assert [tuple(row) for row in np.c_[bouts.label, bouts.start, bouts.end].tolist()] == [(1, 2, 5)]
    assert whole_bouts(np.array([4, 4, 4])).label.size == 0
    assert whole_bouts(np.zeros(0, np.int64)).label.size == 0


def test_numbers_are_those_of_the_labels() -> None:
    cards = measure([frames([0, 1, 1, 1, 2, 2]), frames([2, 1, 1, 1, 1, 1, 0, -5])], 4, RATE_HZ)
    assert [card.usage for card in cards] == pytest.approx([2 / 13, 8 / 13, 3 / 13, 0])
    assert cards[1].bouts == 2
    assert cards[1].duration_ms == pytest.approx((3500 / 30, 4000 / 30, 4500 / 30))
    assert cards[1].speed_mm_s == 10
    assert np.isnan(cards[1].height_mm)
    assert cards[2].height_mm == 22
    assert cards[3].bouts == 0
    assert np.isnan(cards[3].duration_ms[1])


def test_instances_are_typical_and_come_from_every_session() -> None:
    first = frames([0] * 20 + [1] * 9 + [0] * 20 + [1] * 3 + [0] * 20)
    second = frames([0] * 20 + [1] * 8 + [0] * 20 + [1] * 30 + [0] * 20)
    card = measure([first, second], 2, RATE_HZ)[1]
    cuts = typical([first, second], card, RATE_HZ, 2)
    assert [cut.session for cut in cuts] == [1, 0] or [cut.session for cut in cuts] == [0, 1]
    lengths = sorted(cut.end - cut.onset for cut in cuts)
    assert lengths == [8, 9]
    assert all(cut.onset == 10 for cut in cuts), "a third of a second goes before"


def test_a_file_keeps_the_cards(tmp_path: Path) -> None:
    path = cards_path(tmp_path / "mice.model.h5")
    assert path.name == "mice.cards.h5"
    clip = Clip(np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4), 1, 4)
    card = Card(3, 0.25, 7, (100.0, 200.0, 300.0), 12.5, float("nan"), (clip,))
    save_cards(path, CardBox("abc", RATE_HZ, "s1", {3: card}))
    box = load_cards(path)
    assert (box.model_sha256, box.frame_rate_hz, box.made_from) == ("abc", RATE_HZ, "s1")
    assert box.cards[3].duration_ms == card.duration_ms
    np.testing.assert_array_equal(box.cards[3].clips[0].crops, clip.crops)
    assert (box.cards[3].clips[0].onset, box.cards[3].clips[0].end) == (1, 4)
    path.write_bytes(b"no")
    with pytest.raises(FileFormatError, match="model cards"):
        load_cards(path)


def results_file(path: Path, labels: list[int]) -> Path:
    with h5py.File(path, "w") as file:
        crops = np.zeros((len(labels), 80, 80), np.uint8)
        crops[:] = np.arange(len(labels))[:, None, None]
        file["frames"] = crops
        file["timestamps"] = np.arange(len(labels)) * 1000 / RATE_HZ
        file["metadata/uuid"] = "uuid-1"
        file["metadata/extraction/mm_per_crop_pixel"] = 1.6
        file["scalars/velocity_2d_mm"] = np.full(len(labels), 2.0)
    return path


def test_the_command_gathers_from_extracted_results(tmp_path: Path) -> None:
    model = tmp_path / "tiny.model.h5"
    save_bundle(model, tiny_model(RATE_HZ))
    labels = [0] * 15 + [1] * 6 + [0] * 15
    results = results_file(tmp_path / "results_00.h5", labels)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["labels/uuid-1"] = np.array(labels, np.int16)
    run = CliRunner().invoke(command, [str(model), str(results), "--labels", str(tmp_path / "labels.h5")])
    assert run.exit_code == 0, run.output
    card = load_cards(cards_path(model)).cards[1]
    assert card.speed_mm_s == pytest.approx(60, rel=0.02)
    (clip,) = card.clips
    assert clip.crops[clip.onset, 0, 0] == 15
    assert clip.crops[clip.end - 1, 0, 0] == 20
    missing = CliRunner().invoke(command, [str(model), str(results)])
    assert isinstance(missing.exception, ConfigError)
    with h5py.File(tmp_path / "labels.h5", "a") as file:
        file.attrs["model_sha256"] = "of another model"
    foreign = CliRunner().invoke(command, [str(model), str(results), "--labels", str(tmp_path / "labels.h5")])
    assert "labels of another model" in str(foreign.exception)


def test_labels_of_published_scores_lie_on_slots(tmp_path: Path) -> None:
    model = tmp_path / "tiny.model.h5"
    save_bundle(model, tiny_model(RATE_HZ))
    labels = [0] * 15 + [1] * 6 + [0] * 15
    results = results_file(tmp_path / "results_00.h5", labels)
    with h5py.File(results, "r+") as file:  # two slots are dropped within the first bout
        file["timestamps"][5:] += 2 * 1000 / RATE_HZ
    slots = open_results(results, "floor").slots
    assert slots[-1] > len(labels) - 1
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["labels/uuid-1"] = np.full(slots[-1] + 1, -5, np.int16)
        file["labels/uuid-1"][slots] = labels
    run = CliRunner().invoke(command, [str(model), str(results), "--labels", str(tmp_path / "labels.h5")])
    assert run.exit_code == 0, run.output
    (clip,) = load_cards(cards_path(model)).cards[1].clips
    assert (clip.crops[clip.onset : clip.end, 0, 0] == np.arange(15, 21)).all()


def test_the_command_gathers_from_sessions_of_the_same_model_alone(tmp_path: Path) -> None:
    model, other = tmp_path / "tiny.model.h5", tmp_path / "other.model.h5"
    save_bundle(model, tiny_model(RATE_HZ))
    save_bundle(other, tiny_model(60.0))
    folder = write_session(tmp_path / "s", 60, depth=False, model_sha256=bundle_sha256(model))
    run = CliRunner().invoke(command, [str(model), str(folder)])
    assert run.exit_code == 0, (run.output, run.exception)
    assert 0 < sum(card.usage for card in load_cards(cards_path(model)).cards.values()) <= 1
    refused = CliRunner().invoke(command, [str(other), str(folder)])
    assert isinstance(refused.exception, ConfigError)
