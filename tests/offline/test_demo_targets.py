"""Which learned syllables stand for which true ones."""

import numpy as np

from offline.demo_targets import meanings


def test_labels_go_to_the_syllable_that_fills_them_best_first() -> None:
    true = np.array([0] * 50 + [1] * 30 + [2] * 20)
    learned = np.array([5] * 45 + [6] * 5 + [7] * 20 + [8] * 10 + [6] * 20)
    targets = meanings(learned, true, ("walk", "rear", "groom"))
    assert [(t.name, t.labels) for t in targets] == [("rear", (7, 8)), ("walk", (5,)), ("groom", (6,))]
    assert targets[0].precision == targets[0].recall == 1.0
    assert targets[1].recall == 0.9
    assert targets[2].precision == 0.8


def test_a_true_syllable_without_a_label_of_its_own_is_no_target() -> None:
    true = np.array([0] * 90 + [1] * 10)
    assert [t.syllable for t in meanings(np.zeros(100, np.int64), true, ("walk", "rear"))] == [0]
