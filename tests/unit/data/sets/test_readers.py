"""Each reader reads its true format, and says which line of which file of a bad copy is wrong."""

import json

import numpy as np
import pytest
import torch

from minijepa.data.sets import diving48, epic_kitchens, jester, kinetics, ssv2
from minijepa.data.sets.sample import NO_LABEL, missing, require_all
from minijepa.data.video import VideoError, decode
from tests.unit.data.sets import made_sets


def brief(samples):
    return [(sample.name, sample.label) for sample in samples]


@pytest.mark.parametrize("folder, prefix", [("labels", ""), ("annotations", "something-something-v2-"), ("", "")])
def test_ssv2(tmp_path, folder, prefix):
    root = made_sets.ssv2(tmp_path / "ssv2", folder or "labels", prefix)
    if not folder:  # all files in the root
        for path in (root / "labels").iterdir():
            path.rename(root / path.name)
    names = ["Something falling like a feather", "Moving something up", "Holding something next to something"]
    assert ssv2.classes(root) == names
    assert brief(ssv2.read(root, "train")) == [("78687", 2), ("36585", 0)]
    assert brief(ssv2.read(root, "validation")) == [("117478", 1)]
    assert brief(ssv2.read(root, "test")) == [("1420", 0), ("50058", 1)]
    assert ssv2.read(root, "train")[0].path == str(root / "20bn-something-something-v2" / "78687.webm")
    assert decode(ssv2.read(root, "train")[0].path).shape == (3, 4, 32, 32)
    require_all(ssv2.read(root, "train"))


def test_ssv2_without_answers_hides_the_test_labels(tmp_path):
    root = made_sets.ssv2(tmp_path / "ssv2")
    (root / "labels" / "test-answers.csv").unlink()
    assert {sample.label for sample in ssv2.read(root, "test")} == {NO_LABEL}


def test_kinetics(tmp_path):
    root = made_sets.kinetics(tmp_path / "k400")
    train = kinetics.read(root, "train")
    assert brief(train) == [("a", 0), ("b", 1), ("c", 0)] and brief(kinetics.read(root, "validation")) == [("d", 1), ("e", 0)]
    assert kinetics.classes(root) == ["0", "1"] and not missing(train)
    assert kinetics.read_list(root / "val.txt") == kinetics.read(root, "validation")


def test_diving48(tmp_path):
    root = made_sets.diving48(tmp_path / "diving")
    assert diving48.classes(root)[2] == "Forward Dive NoTwis PIKE"
    assert brief(diving48.read(root, "train"))[0] == ("-mmq0PT-u8k_00155", 0)
    test = diving48.read(root, "test")
    assert [s.label for s in test] == [1, 0] and test[0].frames == (0, 3) and not missing(test)


def test_jester(tmp_path):
    root = made_sets.jester(tmp_path / "jester")
    assert jester.classes(root) == ["Swiping Left", "Swiping Right", "Thumb Up"]
    assert brief(jester.read(root, "train")) == [("34870", 2), ("56557", 0)]
    assert brief(jester.read(root, "validation")) == [("9223", 1)]
    assert brief(jester.read(root, "test")) == [("7", NO_LABEL), ("8", NO_LABEL)]
    assert not missing(jester.read(root, "train"))


def test_epic_kitchens(tmp_path):
    root = made_sets.epic_kitchens(tmp_path / "ek")
    numbered = epic_kitchens.action_classes(root)
    assert (numbered.verbs, numbered.nouns) == ((0, 3), (4, 8)) and numbered.actions == ((0, 4), (3, 4), (3, 8))
    train = epic_kitchens.read(root, "train")
    assert [(s.name, s.verb, s.noun, s.label) for s in train] == [
        ("P01_01_0", 1, 1, 2),
        ("P01_01_1", 0, 0, 0),
        ("P22_107_0", 1, 0, 1),
    ]
    assert train[2].frames == (6, 30) and train[2].seconds == (0.5, 2.5)
    assert [sample.path for sample in train] == [str(root / "P01/videos/P01_01.MP4")] * 2 + [str(root / "P22/P22_107.MP4")]
    assert not missing(train) and decode(train[0].path, [0]).shape == (3, 1, 32, 32)
    assert epic_kitchens.classes(root) == ["0 4", "3 4", "3 8"]


def test_times_have_hours_and_minutes(tmp_path):
    root = made_sets.epic_kitchens(tmp_path / "ek")
    rewrite(root / "EPIC_100_train.csv", lambda text: text.replace("00:00:02.50", "01:02:03.45"))
    assert epic_kitchens.read(root, "train")[2].seconds == (0.5, 3723.45)


def test_epic_kitchens_leaves_out_pairs_that_training_never_shows(tmp_path):
    root = made_sets.epic_kitchens(tmp_path / "ek")
    assert [s.name for s in epic_kitchens.read(root, "validation")] == ["P22_107_1", "P22_107_3"]
    assert epic_kitchens.unseen(root) == ["P22_107_2"]  # verb 0 and noun 8 are known, the pair is not


def test_the_released_order_is_that_of_sets_and_another_one():
    generator = torch.Generator().manual_seed(0)
    verbs, nouns = (torch.randint(n, (5000,), generator=generator).tolist() for n in (97, 300))
    pairs = list(zip(verbs, nouns))
    released = epic_kitchens.number_actions(pairs, "released")
    # what the official file does, with the numbers of a NumPy column as pandas gives them
    actions = set([(v, n) for v, n in zip(np.array(verbs), np.array(nouns))])  # noqa: C403
    assert released.actions == tuple(actions)
    assert released.verbs == tuple({v for v, _ in actions}) and released.nouns == tuple({n for _, n in actions})
    by_number = epic_kitchens.number_actions(pairs)
    assert by_number.actions == tuple(sorted(actions)) and released.actions != by_number.actions
    # hashes of whole numbers do not change from run to run; these are what CPython 3.11 gave
    assert released.actions[:3] == ((67, 59), (11, 158), (37, 296))
    assert epic_kitchens.number_actions(pairs[::-1]) == by_number


def rewrite(path, change):
    path.write_text(change(path.read_text()))


def edited(key, value):
    """Change one field of the first entry of a JSON list."""

    def change(text):
        entries = json.loads(text)
        entries[0][key] = value
        return json.dumps(entries)

    return change


def doubled(text):
    entries = json.loads(text)
    return json.dumps(entries + entries[:1])


# set, split, file to break, how, what the message must say beside the file's name
BAD = [
    ("ssv2", "train", "labels/train.json", None, "holds no annotation file"),
    ("ssv2", "train", "labels/labels.json", None, "holds no annotation file"),
    ("ssv2", "train", "labels/train.json", lambda t: t[:-20], "broken JSON"),
    ("ssv2", "train", "labels/train.json", lambda t: "", "is empty"),
    ("ssv2", "train", "labels/train.json", lambda t: "[]", "expected a list with entries"),
    ("ssv2", "train", "labels/train.json", lambda t: '{"a": 1}', "expected a list with entries, got dict"),
    ("ssv2", "train", "labels/train.json", doubled, "names '78687' twice"),
    ("ssv2", "train", "labels/train.json", edited("template", "Eating [something]"), "'Eating something' is not among the 3"),
    ("ssv2", "train", "labels/train.json", edited("template", None), "entry 0: expected 'template' to be str"),
    ("ssv2", "train", "labels/labels.json", lambda t: t.replace('"2"', '"7"'), "indices 0 to 2, each once"),
    ("ssv2", "test", "labels/test-answers.csv", lambda t: "1420,Moving something up", "line 1: expected 2 fields split by ';'"),
    ("ssv2", "test", "labels/test-answers.csv", lambda t: t.replace("up", "down"), "line 1: the label 'Moving something down'"),
    ("ssv2", "test", "labels/test-answers.csv", lambda t: t + t, "names '50058' twice"),
    ("kinetics", "train", "train.csv", None, "holds no annotation file"),
    ("kinetics", "train", "train.csv", lambda t: "\n\n", "is empty"),
    ("kinetics", "train", "train.csv", lambda t: t + "videos/x.mp4\n", "line 4: expected 'path label', got 'videos/x.mp4'"),
    ("kinetics", "train", "train.csv", lambda t: t + "x.mp4 abseiling\n", "line 4: expected 'path label'"),
    ("kinetics", "train", "train.csv", lambda t: t + t, "twice"),
    ("diving48", "test", "Diving48_V2_test.json", None, "holds no annotation file"),
    ("diving48", "test", "Diving48_vocab.json", None, "holds no annotation file"),
    ("diving48", "test", "Diving48_vocab.json", lambda t: '["Back"]', "entry 0: expected a list of strings"),
    ("diving48", "test", "Diving48_V2_test.json", lambda t: t[:-1], "broken JSON"),
    ("diving48", "test", "Diving48_V2_test.json", edited("label", 48), "entry 0: the label 48"),
    ("diving48", "test", "Diving48_V2_test.json", edited("label", "1"), "entry 0: expected 'label' to be int, got '1'"),
    ("diving48", "test", "Diving48_V2_test.json", doubled, "twice"),
    ("jester", "train", "jester-v1-train.csv", None, "holds no annotation file"),
    ("jester", "train", "jester-v1-labels.csv", None, "holds no annotation file"),
    ("jester", "train", "jester-v1-labels.csv", lambda t: t + t, "names 'Swiping Left' twice"),
    ("jester", "train", "jester-v1-train.csv", lambda t: t.replace(";", ","), "line 1: expected 2 fields"),
    ("jester", "train", "jester-v1-train.csv", lambda t: t.replace("Thumb Up", "Thumb Down"), "line 1: the label 'Thumb Down'"),
    ("jester", "train", "jester-v1-train.csv", lambda t: t + t, "names '34870' twice"),
    ("jester", "test", "jester-v1-test.csv", lambda t: " ", "is empty"),
    ("epic_kitchens", "validation", "EPIC_100_validation.csv", None, "holds no annotation file"),
    ("epic_kitchens", "validation", "EPIC_100_train.csv", None, "holds no annotation file"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t.replace("stop_frame", "end"), "lacks the columns stop_frame"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t.splitlines()[0], "holds a header and no row"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t[:-30] + "\n", "line 4: expected 15 fields"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t + "a,b,c\n", "line 5: expected 15 fields"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t + t.splitlines()[1], "names 'P01_01_0' twice"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t.replace(",2,10,", ",2,ten,"), "line 2: expected stop_frame"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t.replace(",2,10,", ",12,10,"), "line 2: the action stops"),
    ("epic_kitchens", "train", "EPIC_100_train.csv", lambda t: t.replace("00:00:00.17", "soon"), "line 2: expected a time"),
    ("epic_kitchens", "validation", "EPIC_100_train.csv", lambda t: t.replace(",4,", ",5,"), "no row of validation"),
]


@pytest.mark.parametrize("name, split, file, change, words", BAD)
def test_a_bad_copy_is_told_with_file_fault_and_way_out(tmp_path, name, split, file, change, words):
    root = getattr(made_sets, name)(tmp_path / name)
    if change is None:
        (root / file).unlink()
    else:
        before = (root / file).read_text()
        rewrite(root / file, change)
        assert (root / file).read_text() != before, "nothing was broken"
    with pytest.raises(VideoError) as caught:
        __import__(f"minijepa.data.sets.{name}", fromlist=["read"]).read(root, split)
    message = str(caught.value)
    fault, *mend = message.split(". ")
    assert words in message and str(root) in message and mend, message
    assert change is None or "no row of" in message or file.split("/")[-1] in message


def test_no_such_root(tmp_path):
    for reader in (ssv2, diving48, jester, epic_kitchens, kinetics):
        with pytest.raises(VideoError, match="nowhere: is not a folder"):
            reader.read(tmp_path / "nowhere", "train")


def test_a_binary_file_is_no_list(tmp_path):
    (tmp_path / "train.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(VideoError, match="cannot be read as text"):
        kinetics.read(tmp_path, "train")
    with pytest.raises(VideoError, match="gone.csv: does not exist"):
        kinetics.read_list(tmp_path / "gone.csv")


def test_missing_videos_are_listed_and_refused(tmp_path):
    root = made_sets.ssv2(tmp_path / "ssv2")
    (root / "20bn-something-something-v2" / "36585.webm").unlink()
    samples = ssv2.read(root, "train")
    assert [sample.name for sample in missing(samples)] == ["36585"]
    with pytest.raises(VideoError, match="36585.webm: does not exist, like 0 more of 2 samples"):
        require_all(samples)
