"""Layouts: one file each. A layout writes a `Selection` of gated dialogues into a folder.

Every layout's `export(selection, read_audio, to, *, genders, content="", …)` is resumable and gives the same bytes for
the same rows; `read_audio(row)` gives role → FLAC, or is None for an export without audio.
"""

LAYOUTS = ("ke-speechchat", "huggingface", "webdataset", "lhotse", "stereo", "ke-omni")
