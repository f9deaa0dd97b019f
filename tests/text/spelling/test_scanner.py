from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.spelling.scanner import Scanner, rule


@rule("([0-9]+)")
def _even(found):
    return [("even",)] if int(found[1]) % 2 == 0 else None


@rule("[0-9]x")
def _crossed(found):
    return [("a", "b"), ("c",)]


SCANNER = Scanner([_even, _crossed])


def test_the_first_rule_that_applies_reads_and_what_none_reads_stays():
    assert list(SCANNER.split("a 24 b3x 55")) == ["a ", ("even",), " b", ("a", "b"), ("c",), " 55"]


@given(st.text(st.sampled_from("0123456789x a"), max_size=20))
def test_plain_text_is_kept_in_order(text):
    plain = "".join(piece for piece in SCANNER.split(text) if isinstance(piece, str))
    left = iter(text)
    assert all(char in left for char in plain)
