"""Both formats open through one door; clips are drawn alike; bad episodes are counted and never loop."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

pytest.importorskip("pyarrow", reason="episodes on disk need pyarrow: pip install 'minijepa[robot]'")
pytest.importorskip("h5py", reason="episodes on disk need h5py: pip install 'minijepa[robot]'")

from minijepa.train.batches import Batches, Steps, loader  # noqa: E402
from minijepa_robot.data.arrays import load_arrays  # noqa: E402
from minijepa_robot.data.dataset import PATIENCE, EpisodeClips, Slicing, open_episodes  # noqa: E402
from minijepa_robot.data.droid import DroidEpisodes  # noqa: E402
from minijepa_robot.data.episodes import EpisodeError, actions, in_camera  # noqa: E402
from minijepa_robot.data.lerobot import LeRobotEpisodes  # noqa: E402
from minijepa_robot.data.lerobot_layout import Layout  # noqa: E402
from minijepa_robot.data.lerobot_write import write_episodes  # noqa: E402
from tests.robot.made_episodes import PIXELS, droid_episode, episode, row_of, seed_of, states  # noqa: E402

SMALL = Slicing(frames=4, size=32)


@pytest.fixture
def ours(tmp_path):
    layout = Layout({"side": PIXELS, "wrist": PIXELS}, ("pick up the cube",), truths=("cube.x", "cube.y"), quality=8)
    write_episodes(tmp_path / "ours", layout, (episode(seed=seed) for seed in range(4)))
    return tmp_path / "ours"


@pytest.fixture
def raw(tmp_path):
    for n in range(3):
        droid_episode(tmp_path / "raw" / f"ep{n}", rows=40, seed=n)
    return tmp_path / "raw"


def test_the_format_is_recognised(ours, raw):
    assert isinstance(open_episodes(ours), LeRobotEpisodes) and isinstance(open_episodes(raw), DroidEpisodes)
    assert isinstance(open_episodes(raw / "ep1"), DroidEpisodes) and len(open_episodes(raw)) == 3
    (raw / "list.txt").write_text("ep2\n")
    assert open_episodes(raw / "list.txt").name(0).endswith("ep2")


def test_what_is_neither_is_told_what_was_expected(tmp_path):
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(EpisodeError, match="meta/info.json.*trajectory.h5"):
            open_episodes(place)
    (tmp_path / "meta").mkdir()
    with pytest.raises(EpisodeError, match="meta without info.json"):
        open_episodes(tmp_path)


@pytest.mark.parametrize("form, camera", [("ours", "wrist"), ("raw", "left")])
def test_a_clip_holds_what_belongs_together(request, form, camera):
    clips = EpisodeClips(request.getfixturevalue(form), (camera,), SMALL)
    for place in range(6):
        clip = clips.draw(0, 7, place)
        pose = states(12 if form == "ours" else 40, clip.index)
        at = np.abs(pose[:, 6, None] - clip.states[:, 6].numpy()).argmin(0)  # closedness rises from row to row
        assert torch.allclose(clip.states, torch.from_numpy(pose[at]).float(), atol=1e-5)
        assert np.allclose(clip.actions, actions(pose[at]), atol=1e-5)
        frames = clip.video.permute(1, 2, 3, 0).numpy()
        assert clip.video.shape == (3, 4, 32, 32) and clip.video.dtype == torch.uint8
        level = (frames[:, :, 24:].mean((1, 2, 3)) - 20) / 16
        assert np.allclose(level, at % 14, atol=0.3) and clip.extrinsics.shape == (4, 6)
        assert np.diff(at).tolist() in ([1, 1, 1], [4, 4, 4], [4, 3, 4], [4, 4, 3], [3, 4, 4], [4, 3, 4])


def test_draws_are_a_function_of_seed_step_and_place(ours):
    def draw(*key):
        return EpisodeClips(ours, slicing=SMALL).draw(*key).video

    assert (draw(1, 2, 3) == draw(1, 2, 3)).all()
    assert len({draw(*key).numpy().tobytes() for key in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))}) > 1


def test_pretraining_takes_it_as_a_source_and_workers_change_nothing(ours):
    source = EpisodeClips(ours, ("side",), SMALL)
    assert isinstance(source, Batches)
    one, two = ([*loader(Steps(EpisodeClips(ours, ("side",), SMALL), 0, 2, 5, 3, slice(None)), n)] for n in (0, 2))
    assert one[0].shape == (3, 3, 4, 32, 32) and all((a == b).all() for a, b in zip(one, two))


def test_states_in_the_camera_frame(ours):
    base = EpisodeClips(ours, ("side",), SMALL).draw(0, 0, 0)
    camera = EpisodeClips(ours, ("side",), Slicing(frames=4, size=32, camera_frame=True)).draw(0, 0, 0)
    wanted = in_camera(base.states.double().numpy(), base.extrinsics.double().numpy())
    assert np.allclose(camera.states, wanted, atol=1e-5) and not np.allclose(camera.actions, base.actions, atol=1e-3)


def test_a_bad_episode_is_stepped_over_and_counted(raw):
    path = raw / "ep1" / "recordings/MP4/11.mp4"
    whole = path.read_bytes()
    path.write_bytes(b"broken")
    clips = EpisodeClips(raw, slicing=SMALL)
    drawn = [clips.draw(0, 0, place).index for place in range(12)]
    assert set(drawn) == {0, 2} and [name[-3:] for name in clips.skipped()] == ["ep1"]
    assert "11.mp4" in clips.reasons[1]
    path.write_bytes(whole)  # what was bad once is not opened again
    assert [clips.draw(0, 0, place).index for place in range(12)] == drawn


def test_bad_episodes_met_by_workers_are_counted_here(raw):
    (raw / "ep1" / "trajectory.h5").write_bytes(b"broken")
    source = EpisodeClips(raw, slicing=SMALL)
    list(loader(Steps(source, 0, 4, 0, 3, slice(None)), 1))
    assert [name[-3:] for name in source.skipped()] == ["ep1"]


def test_bad_episodes_alone_do_not_hang(raw):
    clips = EpisodeClips(raw, slicing=Slicing(frames=40, size=32))
    with pytest.raises(EpisodeError, match=f"{PATIENCE} episodes in a row could not be used, 3 so far;.*hold no 40 frames"):
        clips.draw(0, 0, 0)


def test_a_loader_stacks_clips(ours):
    clips = EpisodeClips(ours, slicing=SMALL)
    batch = next(iter(DataLoader([clips.draw(0, 0, place) for place in range(3)], batch_size=3)))
    assert batch.video.shape == (3, 3, 4, 32, 32) and batch.actions.shape == (3, 3, 7)


def test_everything_in_memory(ours):
    arrays = load_arrays(ours, size=64)
    assert arrays.views["side"].shape == (4, 12, 3, 64, 64) and arrays.actions.shape == (4, 11, 7)
    assert np.allclose(arrays.states, np.stack([states(12, n) for n in range(4)]), atol=1e-5)
    assert arrays.success.tolist() == [True, False, True, False] and arrays.places.shape == (4, 12, 2)
    frames = arrays.views["wrist"][2].permute(0, 2, 3, 1).numpy()
    assert row_of(frames).tolist() == list(range(12)) and set(seed_of(frames)) == {3}
    assert np.allclose(arrays.commands[3], episode(seed=3).commands, atol=1e-5)


def test_memory_wants_one_length(raw):
    droid_episode(raw / "ep3", rows=30, seed=3)
    with pytest.raises(EpisodeError, match="8 to 11 rows at 4 Hz"):
        load_arrays(raw)
    arrays = load_arrays(raw, size=32, frames=11)
    assert arrays.states.shape == (3, 11, 7) and len(arrays.skipped) == 1 and "ep3" in arrays.skipped[0]
    assert arrays.commands.isnan().all() and not arrays.extrinsics["left"].isnan().any()


def test_the_cache_is_taken_and_made_anew_when_the_data_change(ours):
    first = load_arrays(ours, ["side"], 32, cache=True)
    (cached,) = ours.glob("cache_*.safetensors")
    (ours / "videos/observation.images.side/chunk-000/file-000.mp4").rename(ours / "away.mp4")
    again = load_arrays(ours, ["side"], 32, cache=True)
    assert (again.views["side"] == first.views["side"]).all() and (again.extrinsics["side"] == first.extrinsics["side"]).all()
    assert cached.stat().st_size > 4 * 12 * 3 * 32 * 32
    info = ours / "meta/info.json"
    info.write_text(info.read_text() + "\n")
    with pytest.raises(EpisodeError, match="no episode could be read"):
        load_arrays(ours, ["side"], 32, cache=True)
