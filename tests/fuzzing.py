"""Bytes as disks, hands and attackers leave them: cut, overwritten, repeated, or anything at all."""

from __future__ import annotations

from hypothesis import strategies as st


@st.composite
def broken(draw: st.DrawFn, sound: bytes) -> bytes:
    """`sound` with some of it cut, overwritten or doubled; now and then nothing of it is left."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 16))
        match draw(st.sampled_from(["cut", "overwrite", "insert", "double"])):
            case "cut":
                del data[at:]
            case "overwrite":
                data[at : at + size] = draw(st.binary(max_size=16))
            case "insert":
                data[at:at] = draw(st.sampled_from([b"null", b"{}", b"[", b'"', b"-1", b"1e999", b"\xff\xfe", b"\0"]))
            case "double":
                data[at:at] = data[at : at + size]
    return bytes(data)
