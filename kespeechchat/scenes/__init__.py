"""Scenes: clean speech as it sounds in a place, over a telephone, beside noise. Functions of arrays and of what a hash
drew; `drawing` says what happens to a side, `rendering` does it, the other files each do one part of it."""
