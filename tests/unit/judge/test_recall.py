"""Class-mean recall by hand, over both anchors, from the files of a data set to the number."""

import pytest
import torch

from minijepa.data.sets import epic_kitchens
from minijepa.data.video import decode, evaluation_clip, read_timeline
from minijepa.judge.anticipation import Window, anticipation_clip, segment_indices
from minijepa.judge.recall import action_recalls, action_score, class_mean_recall, select_one, select_per_metric
from minijepa.model.probe import ActionLogits
from tests.unit.data.made_clips import make_video, numbers_in
from tests.unit.data.sets.made_sets import EK_HEADER, ek_row


def test_classes_count_the_same_and_absent_ones_take_no_place():
    logits = torch.tensor(
        [  # class 0, 1, 2, 3, 4; nobody is labelled 1 or 4
            [2.0, 9.0, 1.0, 0.0, 8.0],
            [0.0, 9.0, 2.0, 1.0, 8.0],
            [0.0, 9.0, 2.0, 1.0, 8.0],
            [1.0, 9.0, 0.0, 2.0, 8.0],
        ]
    )
    labels = torch.tensor([0, 0, 2, 3])
    # best among 0, 2, 3: 0, 2, 2, 3. Class 0 is hit once of twice, 2 and 3 always: (1/2 + 1 + 1) / 3; 3 of 4 clips
    recall = class_mean_recall(logits, labels, top=1)
    assert recall == (pytest.approx(2.5 / 3), 0.75, 3, 4)
    # best two: {0,2}, {2,3}, {2,3}, {3,0}: class 0 once of twice
    assert class_mean_recall(logits, labels, top=2).recall == pytest.approx(2.5 / 3)
    assert class_mean_recall(logits, labels, top=3).recall == class_mean_recall(logits, labels).recall == 1.0


def test_negative_logits_of_present_classes_beat_absent_classes():
    assert class_mean_recall(torch.tensor([[-9.0, 9.0], [-8.0, 9.0]]), torch.tensor([0, 0]), top=1).recall == 1.0


def test_large_logits_do_not_tie():
    logits = torch.tensor([[20.0, 25.0, 30.0], [25.0, 20.0, 30.0]])
    assert class_mean_recall(logits, torch.tensor([1, 2]), top=1) == (0.5, 0.5, 2, 2)


def test_it_is_the_released_formula_on_sigmoids_with_absent_classes_at_zero():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(300, 40, generator=generator)
    labels = torch.randint(25, (300,), generator=generator)
    sigmoids = logits.sigmoid()
    sigmoids[:, 25:] = 0
    hits, misses = [0] * 40, [0] * 40
    for row, label in zip(sigmoids.topk(5).indices.tolist(), labels.tolist()):
        (hits if label in row else misses)[label] += 1
    counted = [h / (h + m) for h, m in zip(hits, misses) if h + m]
    ours = class_mean_recall(logits, labels)
    assert ours == (pytest.approx(sum(counted) / len(counted)), pytest.approx(sum(hits) / 300), 25, 300)
    assert class_mean_recall(logits.sigmoid(), labels) == ours


def test_verb_noun_and_action_each_have_their_column():
    scores = ActionLogits(torch.eye(3), torch.eye(3).flip(1), torch.eye(3)[:, [1, 0, 2]])
    labels = torch.tensor([[0, 2, 1], [1, 1, 2], [2, 0, 2]])
    recalls = action_recalls(scores, labels, top=1)
    assert [recalls[name].recall for name in ("verb", "noun")] == [1.0, 1.0] and recalls["action"].classes == 2
    assert action_score(scores, labels) == action_recalls(scores, labels)["action"].recall == 1.0  # 3 classes, 5 guesses


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_labels_beyond_the_classes_are_refused(labels):
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        class_mean_recall(torch.zeros(2, 3), torch.tensor(labels))
    with pytest.raises(ValueError, match="at least one clip"):
        class_mean_recall(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """Write one numbered video of 60 frames at 24 Hz, eight actions in training, and eight rows of validation."""
    root = tmp_path_factory.mktemp("ek")
    (root / "P01").mkdir()
    make_video(root / "P01" / "P01_01.mp4").rename(root / "P01" / "P01_01.MP4")
    train = [ek_row(f"P01_01_{i}", 1, 2, 0, noun, fps=24) for i, noun in enumerate((7, 3, 1, 2, 5, 4, 6, 0))]
    rows = [(20, 50, 6), (22, 24, 6), (30, 58, 7), (31, 34, 0), (32, 36, 1), (33, 37, 2), (34, 38, 3), (35, 58, 9)]
    held = [ek_row(f"P01_01_{i + 8}", start, stop, 0, noun, fps=24) for i, (start, stop, noun) in enumerate(rows)]
    for split, lines in {"train": train, "validation": held}.items():
        (root / f"EPIC_100_{split}.csv").write_text("\n".join([EK_HEADER, *lines]))
    return root


def test_the_clip_before_an_action_is_normalised_pixels_of_these_frames(kitchen):
    segment = epic_kitchens.read(kitchen, "validation")[0]
    timeline = read_timeline(segment.path)
    window = Window(frames=4, fps=8, ahead=0.5)
    indices = segment_indices(segment, window, timeline).tolist()
    assert indices == [0, 1, 4, 7]  # the action begins at 0.83 s, so 0.33, 0.205, 0.08 and -0.045 s at 24 Hz
    clip = anticipation_clip(segment, window, 32)
    assert torch.equal(clip, evaluation_clip(decode(segment.path, indices), 32))
    assert torch.equal(clip, anticipation_clip(segment, window, 32, timeline))


def guesses(segments, window):
    """Play a probe that knows an action when a frame of it is in the clip, and else prefers small nouns."""
    logits = []
    for segment in segments:
        timeline = read_timeline(segment.path)
        indices = segment_indices(segment, window, timeline)
        seen = numbers_in(decode(segment.path, indices.tolist()))
        assert seen == indices.tolist()
        row = -torch.arange(8.0)
        if max(seen) >= segment.frames[0]:
            row[segment.label] = 5.0
        logits.append(row)
    return torch.stack(logits), torch.tensor([segment.label for segment in segments])


@pytest.mark.parametrize("rule", ["timestamps", "released"])
def test_recall_at_five_by_hand_for_both_anchors(kitchen, rule):
    segments = epic_kitchens.read(kitchen, "validation")
    assert len(segments) == 7 and epic_kitchens.unseen(kitchen) == ["P01_01_15"]  # noun 9 is not in training
    window = Window(frames=4, fps=8, ahead=0.5, rule=rule)
    # Nobody has seen the action: the guesses are the five smallest of the nouns 0 1 2 3 6 7 that occur: 0 1 2 3 6.
    # Recalls: 0 1 2 3 and both clips of 6 are hit, 7 is not: 5/6 of the classes, 6/7 of the clips.
    assert class_mean_recall(*guesses(segments, window)) == (pytest.approx(5 / 6), pytest.approx(6 / 7), 6, 7)
    # Half a second is 12 frames. Before the END of its action, 58 - 12 lies in 30..58: noun 7 is known. 50 - 12 too, in
    # 20..50. The short ones (3 to 4 frames) end before they begin, as above. All are hit now.
    late = Window(frames=4, fps=8, ahead=0.5, rule=rule, anchor="released")
    assert class_mean_recall(*guesses(segments, late)) == (1.0, 1.0, 6, 7)
    # At one guess: nothing seen, always noun 0: 1/6 and 1/7. Released: also noun 7, and one of two of noun 6.
    assert class_mean_recall(*guesses(segments, window), top=1) == (pytest.approx(1 / 6), pytest.approx(1 / 7), 6, 7)
    hits = (1 + 1 + 0.5) / 6, 3 / 7
    assert class_mean_recall(*guesses(segments, late), top=1) == (pytest.approx(hits[0]), pytest.approx(hits[1]), 6, 7)


def test_the_released_class_order_permutes_heads_and_labels_alike(kitchen):
    numbered = {order: epic_kitchens.action_classes(kitchen, order) for order in ("sorted", "released")}
    assert set(numbered["sorted"].actions) == set(numbered["released"].actions)
    logits, _ = guesses(epic_kitchens.read(kitchen, "validation"), Window(frames=4, ahead=0.5))
    labels = torch.tensor([s.label for s in epic_kitchens.read(kitchen, "validation", "released")])
    order = [numbered["sorted"].actions.index(action) for action in numbered["released"].actions]
    assert order != sorted(order), "the two orders are the same here, so nothing was tested"
    assert class_mean_recall(logits[:, order], labels).recall == pytest.approx(5 / 6)


def test_heads_are_selected_per_metric_or_as_one():
    recalls = {"verb": [0.5, 0.7, 0.7], "noun": [0.6, 0.2, 0.1], "action": [0.2, 0.1, 0.3]}
    per_metric = select_per_metric(recalls)
    assert {name: (best.head, best.recall, best.heads) for name, best in per_metric.items()} == {
        "verb": (1, 0.7, 3),
        "noun": (0, 0.6, 3),
        "action": (2, 0.3, 3),
    }
    assert [best.recall for best in select_one(recalls).values()] == [0.7, 0.1, 0.3]
    for bad in ({"verb": [], "noun": []}, {"verb": [0.1], "noun": [0.1, 0.2]}, {}):
        with pytest.raises(ValueError, match="the same number of heads"):
            select_per_metric(bad)
    with pytest.raises(ValueError, match="one of verb, noun, action"):
        select_one(recalls, by="mean")
