"""Count what an encoder costs, part by part, from its config alone."""

from minijepa.config import EncoderConfig


def tokens_of(config: EncoderConfig, frames: int, height: int, width: int) -> int:
    """Return n = t·h·w, the number of tokens of a clip of `frames` frames and height x width pixels."""
    return (frames // config.tubelet) * (height // config.patch) * (width // config.patch)


def parameters_by_part(config: EncoderConfig) -> dict[str, int]:
    """Count the parameters of an encoder, biases included.

    Returns: part -> number; the sum is that of ``VideoEncoder(config).parameters()``.
    """
    d, hidden, blocks = config.width, config.hidden, config.depth
    return {
        "patch embedding": 3 * config.tubelet * config.patch**2 * d + d,
        "queries, keys, values": blocks * (3 * d * d + 3 * d),
        "attention output": blocks * (d * d + d),
        "MLP": blocks * (2 * d * hidden + hidden + d),
        "norms": (2 * blocks + 1) * 2 * d,
    }


def flops_by_part(config: EncoderConfig, tokens: int) -> dict[str, int]:
    """Count the floating-point operations of one forward of one clip; a multiplication and an addition are two.

    Only matrix products are counted, as ``torch.utils.flop_counter`` does: norms, GELU and softmax are left out.

    Args:
        tokens: n, all that enter the first block.
    Returns: part -> number.
    """
    d, hidden, blocks, n = config.width, config.hidden, config.depth, tokens
    return {
        "patch embedding": 2 * n * 3 * config.tubelet * config.patch**2 * d,
        "queries, keys, values": blocks * 6 * n * d * d,
        "attention output": blocks * 2 * n * d * d,
        "scores and mixing": blocks * 4 * n * n * d,
        "MLP": blocks * 4 * n * d * hidden,
    }
