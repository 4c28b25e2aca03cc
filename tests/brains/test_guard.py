"""Does an agent go round in circles?"""

from fleetlog.runtime.brains.guard import EMPTY_REPLIES, EXCHANGES, REPEATS, Guard, Verdict


def deed(guard: Guard) -> str:
    verdict = guard.verdict()
    return f"{verdict.deed} {verdict.kind}" if verdict else ""


def same_call(guard: Guard, times: int) -> None:
    for _ in range(times):
        guard.replied(True, "")
        guard.used("read_file", {"path": "a.py"}, "the same")


def test_an_agent_that_works_is_left_alone() -> None:
    guard = Guard()
    for number in range(200):
        guard.replied(True, "")
        guard.used("read_file", {"path": f"{number}.py"}, "text")
        assert guard.verdict() is None


def test_the_same_call_with_the_same_result_is_nudged_once_then_paused() -> None:
    guard = Guard()
    same_call(guard, REPEATS[0] - 1)
    assert deed(guard) == ""
    same_call(guard, 1)
    assert deed(guard) == "nudge repeat"
    guard.nudged("repeat")
    assert deed(guard) == ""
    same_call(guard, REPEATS[1] - REPEATS[0] - 1)
    assert deed(guard) == ""
    same_call(guard, 1)
    assert deed(guard) == "pause repeat"


def test_a_circle_of_two_calls_is_seen_as_well() -> None:
    guard = Guard()
    for _ in range(REPEATS[0]):
        guard.used("read_file", {"path": "a"}, "x")
        guard.used("search_files", {"pattern": "b"}, "y")
    assert deed(guard) == "nudge repeat"


def test_another_result_of_the_same_call_is_no_repetition() -> None:
    guard = Guard()
    for number in range(REPEATS[1]):
        guard.used("run_command", {"command": ["date"]}, str(number))
    assert deed(guard) == ""


def test_waiting_for_messages_again_and_again_is_no_circle() -> None:
    guard = Guard()
    for _ in range(REPEATS[1]):
        guard.used("wait_for_messages", {"timeout_s": 60}, "No message has come in that time.")
    assert deed(guard) == ""


def test_empty_replies_are_nudged_each_and_paused_at_last() -> None:
    guard = Guard()
    for _ in range(EMPTY_REPLIES[1] - 1):
        guard.replied(False, "  ")
        assert deed(guard) == "nudge empty"
        guard.nudged("empty")
        assert deed(guard) == ""
    guard.replied(False, "")
    assert deed(guard) == "pause empty"


def test_ping_pong_between_two_agents_is_seen_by_each() -> None:
    guard = Guard()
    for _ in range(EXCHANGES[0]):
        guard.exchanged("other")
    assert deed(guard) == "nudge ping-pong"
    guard.nudged("ping-pong")
    guard.replied(True, "")
    for _ in range(EXCHANGES[1] - EXCHANGES[0]):
        guard.exchanged("other")
    assert deed(guard) == "pause ping-pong"


def test_work_between_messages_is_no_ping_pong() -> None:
    guard = Guard()
    for number in range(EXCHANGES[1]):
        guard.exchanged("other")
        guard.used("read_file", {"path": str(number)}, "text")
    assert deed(guard) == ""


def test_after_a_person_has_answered_it_is_judged_afresh() -> None:
    guard = Guard()
    same_call(guard, REPEATS[0])
    guard.nudged("repeat")
    same_call(guard, REPEATS[1])
    guard.paused()
    guard.replied(True, "")
    assert guard.verdict() is None
    same_call(guard, REPEATS[0])
    assert isinstance(guard.verdict(), Verdict)
    assert deed(guard) == "nudge repeat"
