"""The smallest run that still takes every path of the training loop, and a way to interrupt it."""

from dataclasses import replace

from minijepa.train.pretrain import PretrainConfig, Run
from minijepa.train.schedule import LearningRate


def tiny_config(steps: int = 6, batch: int = 8, **run) -> PretrainConfig:
    config = PretrainConfig()
    rate = LearningRate(0.0, 2e-3, 1e-4, 2, 2)
    return replace(config, batch=batch, optim=replace(config.optim, steps=steps, rate=rate), run=Run(quiet=True, **run))


class Stopped(Exception):
    """Ends a run from its ``watch``."""


def stop_at(step: int):
    """Return a ``watch`` that interrupts a run when it has come to a step."""

    def watch(state) -> None:
        if state.step == step:
            raise Stopped

    return watch
