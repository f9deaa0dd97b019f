#!/usr/bin/env bash
# CosyVoice 2's language model under transformers 5: from the second speech token on it hears nothing of what it has said
# but the first position of its prompt. There is no error and no warning.
#
# The library decodes with a cache and gives every step an attention mask of length 1, the new position's own
# (`Qwen2Encoder.forward_one_step`). transformers 4 took such a mask for "nothing is masked". transformers 5 takes the
# positions that the mask lacks for padding and hides them. Here a small Qwen2 of random weights reads six positions at
# once and then one by one, as the library does; the last hidden state must be the same both ways.
#
# Why it matters: who makes speech with CosyVoice 2 beside a current transformers gets utterances that sound like speech
# and say something else. Only a recognizer behind the synthesizer shows it, and it looks like a weak model.
#
# Exits 0 while the behaviour stands, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/steps.py" <<'PYTHON'
"""Prints how far the last hidden state of stepwise reading is from that of reading at once."""
import sys
from importlib.metadata import version

import torch
from cosyvoice.llm.llm import Qwen2Encoder
from transformers import Qwen2Config, Qwen2ForCausalLM

torch.manual_seed(0)
sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
Qwen2ForCausalLM(Qwen2Config(vocab_size=100, **sizes)).save_pretrained(sys.argv[1])
encoder = Qwen2Encoder(sys.argv[1]).eval()
given = torch.randn(1, 6, 64)
with torch.inference_mode():
    at_once, _ = encoder(given, torch.tensor([6]))
    cache, stepwise = None, None
    for start, end in ((0, 3), (3, 4), (4, 5), (5, 6)):
        part = given[:, start:end]
        mask = torch.tril(torch.ones(1, end - start, end - start, dtype=torch.bool))
        stepwise, cache = encoder.forward_one_step(part, mask, cache)
far = float((at_once[0, -1] - stepwise[0, -1]).abs().max())
print(f"cosyvoice-minicpmo {version('cosyvoice-minicpmo')}, transformers {version('transformers')}: {far:.6f} apart",
      file=sys.stderr)
print(far)
PYTHON
"$folder/venv/bin/pip" install --quiet 'torch==2.11.0' 'torchaudio==2.11.0' 'numpy==2.3.5' 'scipy==1.17.1' 'tqdm==4.67.1'
"$folder/venv/bin/pip" install --quiet --no-deps 'cosyvoice-minicpmo==0.1.0'
apart() {
    "$folder/venv/bin/pip" install --quiet "transformers==$1"
    "$folder/venv/bin/python" "$folder/steps.py" "$folder/model-$1" 2> >(tail -n 1 >&2)
}
four=$(apart 4.51.3)
five=$(apart 5.23.0)
python3 - "$four" "$five" <<'PYTHON'
import sys

four, five = map(float, sys.argv[1:])
stands = four < 1e-4 < 1e-3 < five
print(f"expected under both: below 0.0001; seen: {four:.6f} and {five:.6f}: {'as described' if stands else 'CHANGED'}")
sys.exit(0 if stands else 1)
PYTHON
