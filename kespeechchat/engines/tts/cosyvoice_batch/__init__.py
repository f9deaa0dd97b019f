"""CosyVoice's utterances in batches: a decode loop, a flow solver and a vocoder of our own over the library's modules.

The library's public methods take one row (`forward_chunk` asserts it; the flow's `inference` and `solve_euler` are
written for it). `language_models` has the two LLMs, `decoding` the loop with continuous batching, `flow` and `vocoder`
make audio of the tokens, and `library_code` refuses a version of the library that this was not read against.
"""
