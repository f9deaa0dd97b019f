"""Asking again until an answer passes, and no longer than it can."""

from __future__ import annotations

from kespeechchat.engines.llm import Completion, Message, Request
from kespeechchat.records import RowError
from kespeechchat.stages.candidates import Judged, ask_until_usable


class _Scripted:
    """Gives each row's next answer, and remembers in which round a row was asked."""

    def __init__(self, **answers):
        self.answers, self.rounds = answers, []

    def complete(self, requests):
        rows = [request.messages[0].content for request in requests]
        self.rounds.append(rows)
        return [self.answers[row].pop(0) for row in rows]


def _asked(llm, rows, candidates):
    def request(row, candidate):
        return Request((Message("user", row),), seed=candidate)

    def judge(row, text):
        return Judged(text, None if text.startswith("good") else "bad", text)

    return ask_until_usable(llm, rows, request, judge, candidates)


def _said(text, finish="stop"):
    return Completion(text, finish, 4)


def test_only_open_rows_are_asked_again():
    llm = _Scripted(a=[_said("good a")], b=[_said("bad b"), _said("good b")], c=[RowError("lost"), _said("bad c")])
    found = _asked(llm, ["a", "b", "c"], candidates=2)
    assert llm.rounds == [["a", "b", "c"], ["b", "c"]]
    assert [answer.answer for answer in found] == ["good a", "good b", "bad c"]
    assert [answer.reason for answer in found] == [None, None, "bad"]


def test_the_last_failure_stands_where_candidates_run_out():
    (found,) = _asked(_Scripted(a=[_said("bad a"), RowError("lost")]), ["a"], candidates=2)
    assert isinstance(found, RowError) and found.message == "lost"


def test_a_stopped_text_is_closed_for_the_judge():
    (found,) = _asked(_Scripted(a=[_said('{"question": "bad', "hopeless")]), ["a"], candidates=1)
    assert found.answer == '{"question": "bad"}' and found.reason == "bad"
