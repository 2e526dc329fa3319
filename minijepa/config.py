"""Sizes of the networks, as frozen dataclasses with the released presets.

A config is plain data: it can be printed, compared, saved beside the weights and changed with
``dataclasses.replace``. The numbers of the presets are those of facebookresearch/vjepa2
``src/models/vision_transformer.py`` and ``configs/train``.
"""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

RopeForm = Literal["tiled", "textbook"]
Part = Literal["encoder", "predictor", "action_predictor", "probe"]  # of a checkpoint
Weights = Literal["online", "ema"]  # of an encoder that was trained with a teacher


@dataclass(frozen=True)
class EncoderConfig:
    """Describe a video encoder; the default is the released ViT-L/16."""

    width: int = 1024  # d, channels of a token
    depth: int = 24  # transformer blocks
    heads: int = 16  # ViT-g has 22, which the shapes of its weights cannot reveal
    mlp_ratio: float = 4.0  # hidden width of the MLP / width; 48/11 in ViT-g
    patch: int = 16  # pixels, side of a square patch
    tubelet: int = 2  # frames in one token
    rope: RopeForm = "tiled"  # "tiled": as released; "textbook": orthogonal, as in V-JEPA 2.1
    rope_base: float = 10_000.0  # slowest wavelength of the rotary positions / 2 pi

    def __post_init__(self) -> None:
        require_heads_divide("EncoderConfig", self.width, self.heads)

    @property
    def hidden(self) -> int:
        """Give the hidden width of the MLP."""
        return int(self.width * self.mlp_ratio)

    @classmethod
    def tiny(cls) -> "EncoderConfig":
        """Return the encoder that learns toy clips of 32 px within minutes on a laptop (0.2 M parameters)."""
        return cls(64, 3, 2, patch=8, rope="textbook", rope_base=100.0)

    @classmethod
    def small(cls) -> "EncoderConfig":
        """Return a small ViT/16 for experiments on one machine (192 x 6, 3 heads)."""
        return cls(192, 6, 3)

    @classmethod
    def vit_b(cls) -> "EncoderConfig":
        """Return ViT-B/16 (86 M parameters); not released with V-JEPA 2."""
        return cls(768, 12, 12)

    @classmethod
    def vit_l(cls) -> "EncoderConfig":
        """Return the released ViT-L/16 (304 M parameters)."""
        return cls(1024, 24, 16)

    @classmethod
    def vit_h(cls) -> "EncoderConfig":
        """Return the released ViT-H/16 (632 M parameters, heads 80 wide)."""
        return cls(1280, 32, 16)

    @classmethod
    def vit_g(cls) -> "EncoderConfig":
        """Return the released ViT-g/16 (1,012 M parameters, 22 heads 64 wide)."""
        return cls(1408, 40, 22, mlp_ratio=48 / 11)

    @classmethod
    def vit_g_384(cls) -> "EncoderConfig":
        """Return the released ViT-g/16 of the 384-px cooldown: the same network on a 24 x 24 patch grid."""
        return cls.vit_g()


@dataclass(frozen=True)
class PredictorConfig:
    """Describe a masked predictor; the default is the released one for ViT-L."""

    encoder_width: int = 1024  # width of the context tokens that come in
    width: int = 384  # width inside the predictor
    depth: int = 12  # transformer blocks
    heads: int = 12  # 32 channels a head
    mask_tokens: int = 10  # learned queries; one is chosen a call, the released training used only token 0
    rope: RopeForm = "tiled"  # as in the encoder
    rope_base: float = 10_000.0  # as in the encoder
    output_width: int | None = None  # width of the predictions; None: encoder_width (pixels need another)

    def __post_init__(self) -> None:
        require_heads_divide("PredictorConfig", self.width, self.heads)

    @classmethod
    def released(cls, encoder: EncoderConfig) -> "PredictorConfig":
        """Return the released predictor (384 x 12, 22 M parameters) for an encoder."""
        return cls(encoder.width, rope=encoder.rope, rope_base=encoder.rope_base)

    @classmethod
    def tiny(cls) -> "PredictorConfig":
        """Return the toy predictor that goes with ``EncoderConfig.tiny``."""
        return cls(64, 48, 2, 2, mask_tokens=2, rope="textbook", rope_base=100.0)


@dataclass(frozen=True)
class ProbeConfig:
    """Describe an attentive probe; the default reads ViT-L for Something-Something v2."""

    width: int = 1024  # d, channels of the frozen tokens
    heads: int = 16  # in every released probe, also on ViT-g, whose encoder has 22
    depth: int = 4  # 3 self-attention blocks and the cross-attention; 1: the cross-attention alone
    classes: int | tuple[int, int, int] = 174  # one count, or those of verbs, nouns and actions: EK100 (97, 300, 3568)

    def __post_init__(self) -> None:
        if self.depth < 1 or self.heads < 1 or self.width % self.heads:
            raise ValueError(
                "ProbeConfig: expected depth >= 1 and a width that is a multiple of heads, got "
                f"depth={self.depth}, width={self.width}, heads={self.heads}; a small width needs fewer than 16 heads"
            )


@dataclass(frozen=True)
class ActionPredictorConfig:
    """Describe an action-conditioned predictor; the default is the released one for ViT-g."""

    encoder_width: int = 1408  # width of the frame tokens that come in and of those predicted
    width: int = 1024  # width inside the predictor
    depth: int = 24  # transformer blocks
    heads: int = 16  # 64 channels a head
    extrinsics: bool = False  # True: one more token a step, the camera's pose; released: False
    residual: bool = False  # True: predict the change of each token; small models only copy without it; released: False
    action_width: int = 7  # channels of an action and of a state: x y z, three angles, gripper; 2 in the plane
    rope: RopeForm = "tiled"  # as in the encoder

    def __post_init__(self) -> None:
        require_heads_divide("ActionPredictorConfig", self.width, self.heads)

    @classmethod
    def ac_vit_g(cls) -> "ActionPredictorConfig":
        """Return the released V-JEPA 2-AC predictor (1024 x 24, 305 M parameters)."""
        return cls()

    @classmethod
    def tiny(cls) -> "ActionPredictorConfig":
        """Return the toy predictor for ``EncoderConfig.tiny`` and actions in the plane (0.4 M parameters)."""
        return cls(64, 96, 3, 3, residual=True, action_width=2, rope="textbook")


def require_heads_divide(name: str, width: int, heads: int) -> None:
    """Raise ValueError unless the heads share the width evenly and leave 6 channels for three rotary axes."""
    if heads < 1 or width % heads or width // heads < 6:
        raise ValueError(
            f"{name}: expected a width that is a multiple of heads with at least 6 channels a head, "
            f"got width={width}, heads={heads}; change one of the two"
        )


@dataclass(frozen=True)
class Released:
    """Describe a repository or an original file that Meta released."""

    encoder: EncoderConfig  # what it holds, or whose tokens its probe reads
    crop: int  # pixels, side of the clips it was trained on last
    frames: int  # in such a clip
    parts: tuple[Part, ...] = ("encoder", "predictor")  # the first is what ``load`` opens unless told otherwise
    weights: Weights | None = "online"  # the encoder that ``load`` takes unless told otherwise; None: there is none


L, H, G = EncoderConfig.vit_l(), EncoderConfig.vit_h(), EncoderConfig.vit_g()
CLASSIFIER: tuple[Part, ...] = ("encoder", "predictor", "probe")
# An original file holds two encoders: ``encoder`` is online, ``target_encoder`` its EMA. All released evaluations, the
# action-conditioned training and the official hub since V-JEPA 2.1 take the EMA. The hub of 2025 took the online encoder,
# and the Hugging Face repositories, which hold one, were made through it.
RELEASED = {
    "facebook/vjepa2-vitl-fpc64-256": Released(L, 256, 64),
    "facebook/vjepa2-vith-fpc64-256": Released(H, 256, 64),
    "facebook/vjepa2-vitg-fpc64-256": Released(G, 256, 64),
    "facebook/vjepa2-vitg-fpc64-384": Released(G, 384, 64),
    "facebook/vjepa2-vitl-fpc16-256-ssv2": Released(L, 256, 16, CLASSIFIER),
    "facebook/vjepa2-vitg-fpc64-384-ssv2": Released(G, 384, 64, CLASSIFIER),
    "facebook/vjepa2-vitl-fpc32-256-diving48": Released(L, 256, 32, CLASSIFIER),
    "facebook/vjepa2-vitg-fpc32-384-diving48": Released(G, 384, 32, CLASSIFIER),
    "vitl.pt": Released(L, 256, 64, weights="ema"),
    "vith.pt": Released(H, 256, 64, weights="ema"),
    "vitg.pt": Released(G, 256, 64, weights="ema"),
    "vitg-384.pt": Released(G, 384, 64, weights="ema"),
    # no step of its training changed an encoder: both are the EMA of vitg.pt, and the hub takes ``encoder``
    "vjepa2-ac-vitg.pt": Released(G, 256, 8, ("encoder", "action_predictor")),
    "evals/ssv2-vitl-16x2x3.pt": Released(L, 256, 16, ("probe",), None),
    "evals/ssv2-vitg-384-64x2x3.pt": Released(G, 384, 64, ("probe",), None),
    "evals/diving48-vitl-256.pt": Released(L, 256, 32, ("probe",), None),
    "evals/diving48-vitg-384-32x4x3.pt": Released(G, 384, 32, ("probe",), None),
    "evals/ek100-vitl-256.pt": Released(L, 256, 32, ("probe",), None),
    "evals/ek100-vitg-384.pt": Released(G, 384, 32, ("probe",), None),
}


def find_released(name: str) -> Released | None:
    """Look up a repository, or an original file by its name, path or address; None for what was not released."""
    by_file = {PurePath(key).name: released for key, released in RELEASED.items() if key.endswith(".pt")}
    return RELEASED.get(name) or by_file.get(PurePath(name).name)
