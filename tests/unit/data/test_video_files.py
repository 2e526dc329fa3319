"""Training draws: the same in every worker and after every kill, over bad files, which are counted."""

import pytest
import torch
from torch.utils.data import DataLoader

from minijepa.data.video import VideoError, decode, evaluation_clip, normalize
from minijepa.data.video_files import PATIENCE, Augment, StepBatches, VideoFiles, list_videos, seeded
from tests.unit.data.made_clips import cut, make_video, numbers_in, within

LIMIT = 120  # seconds; a spawned worker imports torch first


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    (folder / "deep").mkdir()
    make_video(folder / "a.mp4", stamps=range(30))
    make_video(folder / "deep" / "b c.mp4", stamps=range(36))
    make_video(folder / "c.webm", "libvpx-vp9", stamps=range(24))
    (folder / "notes.txt").write_text("not a video")
    return folder


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Two good files among four bad ones."""
    folder = tmp_path_factory.mktemp("mixed")
    good = make_video(folder / "good1.mp4", stamps=range(30))
    make_video(folder / "good2.mp4", stamps=range(30))
    cut(folder / "cut.mp4", good)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    make_video(folder / "short.mp4", stamps=range(3))
    return folder


def data(place, **changes):
    return VideoFiles(place, frames=4, fps=12, crop=32, **changes)


def load(files, keys, workers=0, context=None):
    """Draw through a DataLoader, as a training run does."""
    limit = 100 if workers else 0  # seconds for a batch
    return list(DataLoader(files, batch_sampler=keys, num_workers=workers, multiprocessing_context=context, timeout=limit))


KEYS = [[(step, place, (step + place) % 3) for place in range(2)] for step in range(3)]


def test_a_draw_is_a_normalised_clip_with_its_file(folder):
    draw = data(folder)[5, 1]
    assert draw.video.shape == (3, 4, 32, 32) and draw.video.dtype == torch.float32
    assert (draw.index, draw.skipped, draw.label) == (1, 0, -1)


@pytest.mark.parametrize("workers, context", [(2, "fork"), (1, "spawn")])
def test_workers_give_the_draws_of_the_main_process(folder, workers, context):
    files = data(folder)
    expected = load(files, KEYS)  # read here first: a decord reader left open would hang the forked child
    got = within(LIMIT, load, files, KEYS, workers, context)
    for one, other in zip(expected, got, strict=True):
        assert torch.equal(one.video, other.video) and torch.equal(one.index, other.index)


def test_a_resumed_run_draws_what_it_would_have_drawn(folder):
    files = data(folder, seed=7)
    whole = load(files, StepBatches(len(files), 4, range(6), seed=7))
    rest = load(data(folder, seed=7), StepBatches(len(files), 4, range(4, 6), seed=7))
    assert all(torch.equal(a.video, b.video) for a, b in zip(whole[4:], rest, strict=True))


def test_seed_step_place_and_file_all_change_the_clip(folder):
    files = data(folder)
    draws = [files[0, 0, 0], files[1, 0, 0], files[0, 1, 0], files[0, 0, 1], data(folder, seed=1)[0, 0, 0]]
    assert len({draw.video.numpy().tobytes() for draw in draws}) == 5
    assert torch.equal(files[0, 0, 0].video, draws[0].video)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_stepped_over_and_counted(mixed, workers):
    files = data(mixed)
    keys = [[(step, index) for index in range(6)] for step in range(3)]
    batches = within(LIMIT, load, files, keys, workers, "fork" if workers else None)
    names = [files.files[i].rsplit("/", 1)[1] for i in range(6)]
    assert {names[i] for batch in batches for i in batch.index.tolist()} <= {"good1.mp4", "good2.mp4"}
    for batch in batches:
        assert [bool(s) for s in batch.skipped] == [not name.startswith("good") for name in names]
    assert {name.rsplit("/", 1)[1] for name in files.bad_files} == {"cut.mp4", "empty.mp4", "text.mp4", "short.mp4"}


def test_a_known_bad_file_does_not_move_the_draws(mixed):
    fresh, experienced = data(mixed), data(mixed)
    for index in range(6):
        experienced[9, index]
    assert len(experienced.bad_files) == 4
    for index in range(6):
        one, other = fresh[3, index], experienced[3, index]
        assert (one.index, one.skipped) == (other.index, other.skipped) and torch.equal(one.video, other.video)


def test_bad_files_only_give_a_clear_error_and_no_endless_search(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.mp4").write_text("no video")
    with pytest.raises(VideoError, match=f"{PATIENCE} videos in a row .* cannot be read as video"):
        within(LIMIT, data(tmp_path).__getitem__, (0, 1))


def test_the_error_survives_the_way_from_a_worker(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(VideoError, match="in a row"):
        within(LIMIT, load, data(tmp_path), [[(0, 0)]], 1, "fork")


def test_short_videos_are_skipped_or_held(mixed):
    index = [name.endswith("short.mp4") for name in data(mixed).files].index(True)
    with pytest.raises(VideoError, match="short.mp4: lasts .* too short"):
        data(mixed).clip(index)
    assert data(mixed, short="repeat").clip(index).shape == (3, 4, 32, 32)


def test_without_a_generator_the_clip_is_the_central_one(folder):
    files = data(folder)
    frames = decode(files.files[0], [11, 13, 15, 17])  # 29/24 s, a clip of 3/12 s: from 0.479 s, the frame of 11/24 s
    assert numbers_in(frames) == [11, 13, 15, 17]
    assert torch.equal(files.clip(0), evaluation_clip(frames, 32))


def test_augment_is_obeyed(folder):
    whole = Augment(scale=(1, 1), aspect=(2, 2), flip=0)  # these frames are twice as wide as high
    draw = VideoFiles(folder, 1, 12, 48, augment=whole)[0, 0]
    frames = decode(data(folder).files[0])
    squeezed = torch.nn.functional.interpolate(frames.transpose(0, 1).float(), (48, 48), mode="bilinear").transpose(0, 1)
    nearest = (draw.video - normalize(squeezed.round().to(torch.uint8))).abs().amax((0, 2, 3)).min()
    assert nearest < 0.01  # it is one of the frames, whole and unmirrored; half a grey level is 0.009


def test_the_released_rule_can_be_asked_for(folder):
    assert data(folder, rule="released")[0, 0].video.shape == (3, 4, 32, 32)


def test_lists(folder, tmp_path):
    names = [str(folder / "a.mp4"), str(folder / "deep" / "b c.mp4")]
    (tmp_path / "list.csv").write_text(f"{names[0]} 12\n\n{names[1]}::3\nhere/d e.mp4 7\nf.mp4\ng h.mp4\n")
    here = [str(tmp_path / name) for name in ("here/d e.mp4", "f.mp4", "g h.mp4")]
    assert list_videos(tmp_path / "list.csv") == (names + here, [12, 3, 7, -1, -1])
    assert list_videos(names) == (names, [-1, -1])
    assert list_videos(folder)[0] == [*names[:1], str(folder / "c.webm"), names[1]]
    files = data(tmp_path / "list.csv")
    assert files[0, 0].label == 12 and files[0, 1].label == 3


@pytest.mark.parametrize("make", ["missing", "empty folder", "empty list", "binary", "nothing"])
def test_no_videos_raise_our_error(tmp_path, make):
    place = tmp_path / "place"
    if make == "empty folder":
        place.mkdir()
    if make in ("empty list", "binary"):
        place.write_bytes(b"" if make == "empty list" else bytes(range(128, 256)))
    with pytest.raises(VideoError, match="holds no video|neither a folder nor a list"):
        data([] if make == "nothing" else place)


def test_an_index_beyond_the_files_is_an_index_error(folder):
    with pytest.raises(IndexError, match="from 0 to 2, got 3"):
        data(folder)[0, 3]


def test_processes_share_one_global_batch():
    whole = list(StepBatches(10, 6, range(3), seed=5))
    parts = [list(StepBatches(10, 6, range(3), seed=5, rank=rank, world=2)) for rank in range(2)]
    assert whole == [first + second for first, second in zip(*parts, strict=True)]
    assert len({tuple(file for _, _, file in batch) for batch in whole}) == 3
    with pytest.raises(ValueError, match="multiple of 4"):
        StepBatches(10, 6, range(3), world=4)


def test_seeded_hears_every_number_and_the_order():
    streams = {torch.rand(4, generator=seeded(*n)).numpy().tobytes() for n in [(1, 2), (2, 1), (1, 2, 1), (1,), (12,)]}
    assert len(streams) == 5
