"""A GGUF file as the Hugging Face folder that vLLM loads: weights unpacked to bfloat16, tokenizer beside them.

    python scripts/gguf_to_folder.py MODEL.gguf FOLDER

Runs in the environment that scripts/vllm_cpu_env.sh makes (torch, transformers, gguf, accelerate).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    unpacked = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=unpacked
    )
    # transformers still takes the unpacked weights for quantized ones, which it refuses to save
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    partial = folder.with_name(folder.name + ".partial")
    model.save_pretrained(partial)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(partial)
    os.replace(partial, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
