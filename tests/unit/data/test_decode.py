"""Frames of real files: the right ones, at the right times, from both backends; bad files raise and nothing hangs."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from minijepa.data.video import VideoError, decode, read_clip, read_timeline
from tests.unit.data.made_clips import cut, make_sound, make_video, numbers_in, within

LIMIT = 20  # seconds; every call here takes a fraction of one
UNEVEN = [0, 40, 50, 130, 131, 180, 290, 300, 350, 440, 450, 520, 560, 640, 700, 710]  # milliseconds
ORDERS = [[0], [59], [5, 3, 3, 40, 17], [12], [11, 12, 13], [58, 2], list(range(0, 60, 7)), list(range(60))]

try:
    import decord

    BACKENDS = ("auto", "pyav", "decord") if decord else ()
except ImportError:  # arm64, macOS
    BACKENDS = ("auto", "pyav")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make one good file of each kind, once."""
    folder = tmp_path_factory.mktemp("clips")
    make_video(folder / "h264.mp4")
    make_video(folder / "open_groups.mp4", options={"x264-params": "open-gop=1:bframes=3:scenecut=0"})
    make_video(folder / "recovery_points.mkv", options={"x264-params": "open-gop=1:bframes=3"})
    make_video(folder / "vp9.webm", "libvpx-vp9")
    make_video(folder / "vp8.webm", "libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "16"})
    make_video(folder / "mpeg4.avi", "mpeg4")
    make_video(folder / "uneven.mp4", stamps=UNEVEN, tick=Fraction(1, 1000))
    make_video(folder / "uneven.webm", "libvpx-vp9", stamps=UNEVEN, tick=Fraction(1, 1000))
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "vp8.webm"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_the_asked_frames_come_back_in_the_asked_order(folder, name, order, backend):
    assert numbers_in(decode(folder / name, order, backend)) == order


@pytest.mark.parametrize("name", ["mpeg4.avi", "open_groups.mp4", "recovery_points.mkv"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_where_decord_jumps_wrongly_pyav_reads(folder, name, order):
    assert numbers_in(decode(folder / name, order)) == order
    if "decord" in BACKENDS:
        with pytest.raises(VideoError, match="decord cannot read it: it returns wrong frames"):
            decode(folder / name, order, "decord")


@pytest.mark.skipif("decord" not in BACKENDS, reason="decord has no wheel here")
@pytest.mark.parametrize("name", ["mpeg4.avi", "open_groups.mp4", "recovery_points.mkv"])
def test_decord_really_is_wrong_there(folder, name):
    """Where this fails, decord was mended and `decode` may trust it."""
    alone = [numbers_in(decode_alone(folder / name, i))[0] for i in range(60)]
    assert alone != list(range(60))


def decode_alone(path, index):
    picture = decord.VideoReader(str(path), num_threads=1)[index].asnumpy()
    return torch.from_numpy(picture).permute(2, 0, 1)[:, None]


@pytest.mark.skipif("decord" not in BACKENDS, reason="decord has no wheel here")
@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "vp8.webm", "uneven.mp4", "uneven.webm"])
def test_both_backends_give_the_same_pixels(folder, name):
    assert torch.equal(decode(folder / name, backend="decord"), decode(folder / name, backend="pyav"))


@pytest.mark.skipif("libsvtav1" not in av.codecs_available, reason="this PyAV cannot write AV1")
def test_av1_goes_to_pyav(tmp_path):
    path = make_video(tmp_path / "av1.mp4", "libsvtav1", range(12))
    assert numbers_in(decode(path, [7, 2])) == [7, 2]
    if "decord" in BACKENDS:
        with pytest.raises(VideoError, match="decord cannot read it"):
            decode(path, [7, 2], "decord")


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.webm"])
def test_uneven_time_stamps_are_exact(folder, name):
    timeline = read_timeline(folder / name)
    # mp4 keeps 1/16000 s here, webm milliseconds: both hold these times exactly
    np.testing.assert_allclose(timeline.times, np.array(UNEVEN) / 1000, rtol=0, atol=1e-12)
    assert read_timeline(folder / "h264.mp4").fps == read_timeline(folder / "vp9.webm").fps == 24


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.webm"])
def test_a_clip_holds_what_a_viewer_sees_at_each_time(folder, name):
    # 10 Hz from the start of the only possible place: at 0, 100, … ms the viewer sees the last frame that began
    seen = [max(i for i, stamp in enumerate(UNEVEN) if stamp <= 5 + 100 * k) for k in range(8)]
    assert numbers_in(read_clip(folder / name, 8, 10)) == seen


def test_fps_is_kept_where_the_released_rule_drifts(folder):
    times = read_timeline(folder / "h264.mp4").times
    ours, released = (read_clip(folder / "h264.mp4", 4, 5, rule=rule) for rule in ("timestamps", "released"))
    ours, released = np.diff(times[numbers_in(ours)]), np.diff(times[numbers_in(released)])
    assert np.abs(np.cumsum(ours) - np.arange(1, 4) / 5).max() < 1 / 24  # never a frame away from 5 Hz
    assert released.sum() == pytest.approx(15 / 24)  # 24 // 5 = 4 frames apart, a window of 16: 4.8 Hz


def _bad_files(folder):
    good = make_video(folder / "good.mp4", stamps=range(60))
    fast = make_video(folder / "fast.mp4", faststart=True)
    web = make_video(folder / "good.webm", "libvpx-vp9", stamps=range(64))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "folder.mp4").mkdir()
    broken = bytearray(fast.read_bytes())
    broken[len(broken) // 2 :] = bytes(len(broken) - len(broken) // 2)
    (folder / "overwritten.mp4").write_bytes(broken)
    cut(folder / "cut.mp4", good)
    cut(folder / "cut_faststart.mp4", fast, 0.7)
    cut(folder / "cut.webm", web)
    make_video(folder / "no_frame.mp4", stamps=[])
    make_sound(folder / "sound.mp4")
    make_video(folder / "short.mp4", stamps=range(3))


BAD = {
    "missing.mp4": "does not exist",
    "empty.mp4": "empty",
    "text.mp4": "cannot be read as video",
    "folder.mp4": "is not a file",
    "cut.mp4": "cannot be read as video",  # its table of contents was at the end
    "cut_faststart.mp4": "is cut off: [0-9]+ of 60 frames",
    "cut.webm": "is cut off: [0-9.]+ of 2.7 seconds",
    "overwritten.mp4": "cannot be",
    "no_frame.mp4": "without a frame|no video",
    "sound.mp4": "no video .audio",
    "short.mp4": "too short for 16 frames at 24 Hz",
}


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    _bad_files(folder)
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", BAD)
def test_bad_files_raise_our_error_in_time(bad_folder, name, backend):
    def read():
        return read_clip(bad_folder / name, 16, 24, backend=backend)

    wrong = BAD[name] + "|decord cannot" if backend == "decord" else BAD[name]
    with pytest.raises(VideoError, match=wrong) as caught:
        within(LIMIT, read)
    assert str(bad_folder / name) in str(caught.value)
    assert str(caught.value).count(". ") >= 1  # what was wrong, then what to do


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("indices", [[-1], [60], [0, 10**12], []], ids=str)
def test_indices_out_of_range_raise(folder, indices, backend):
    with pytest.raises(VideoError, match="60 frames|no frame was asked for"):
        within(LIMIT, decode, folder / "h264.mp4", indices, backend)


def test_repeating_the_last_frame_is_offered_for_short_videos(bad_folder):
    clip = read_clip(bad_folder / "short.mp4", 6, 24, repeat_last=True)
    assert numbers_in(clip) == [0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("seed", range(8))
def test_random_damage_never_crashes_or_hangs(bad_folder, tmp_path, seed):
    draw = np.random.default_rng(seed)
    source = ("fast.mp4", "good.webm")[seed % 2]
    data = bytearray((bad_folder / source).read_bytes())
    for place in draw.integers(0, len(data), 30):
        data[place] = draw.integers(256)
    path = tmp_path / source
    path.write_bytes(data)
    try:
        clip = within(LIMIT, read_clip, path, 8, 12)
    except VideoError:
        return
    assert clip.dtype == torch.uint8 and clip.shape[:2] == (3, 8)
