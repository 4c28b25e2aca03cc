"""A runbooks file is read strictly, and cron lines are due when Debian's cron would have them due."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.scenarios.monitor.cron import next_due_s
from fleetlog.runtime.scenarios.monitor.loading import load_plan, plan_of
from tests.scenarios.monitor.places import EXAMPLE
from tests.test_docs import ROOT, blocks

WATCH = '[[watch]]\nname = "page"\nkind = "http"\nurl = "http://127.0.0.1/"\nevery_s = 5\n'
BOOK = '[[runbook]]\nname = "mend"\nskills = ["web"]\nwhen = { watches = ["page"] }\n'
ACTION = '[[runbook.action]]\ncommand = ["true"]\n'
VERIFY = 'verify = ["page"]\n'
SQL = '[[check]]\nname = "db"\nkind = "sql"\nurl = "sqlite:x"\nquery = "q"\n'
SCHEDULE = '[[schedule]]\nname = "nightly"\ncron = "0 3 * * *"\nzone = "UTC"\nrunbook = "mend"\n'


def test_the_example_is_understood() -> None:
    plan = load_plan(str(EXAMPLE / "runbooks.toml"))
    assert [one.name for one in plan.runbook] == ["open the shop", "free the till", "tidy the logs"]
    assert plan.watch[0].every_s == 5


def test_the_runbooks_of_the_page_are_understood() -> None:
    (text,) = [block.text for block in blocks(ROOT / "docs" / "scenarios" / "monitor.md") if block.language == "toml"]
    assert plan_of(text).people.escalate_to == "on-call"


def test_a_runbook_without_verify_is_verified_by_what_must_fail_or_by_its_watches() -> None:
    assert plan_of(WATCH + BOOK + ACTION).runbooks["mend"].verify == ("page",)
    check = '[[check]]\nname = "port"\nkind = "tcp"\nport = 80\n'
    assert plan_of(WATCH + check + BOOK + 'if_fails = ["port"]\n' + ACTION).runbooks["mend"].verify == ("port",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[wacth]]\n", "unknown table 'wacth'; did you mean 'watch'?"),
        (WATCH + "fails_afer = 3\n", "watch 'page': unknown key 'fails_afer'; did you mean 'fails_after'?"),
        (WATCH + 'timeout_s = "5"\n', "watch 'page': timeout_s: Expected `float`, got `str`"),
        (WATCH + 'query = "select 1"\n', "watch 'page': 'query' is not for kind http"),
        (WATCH + WATCH, "there are two called 'page' among the checks"),
        (WATCH.replace("every_s = 5", ""), "watch 'page': a [[watch]] needs 'every_s'"),
        (WATCH.replace("[[watch]]", "[[check]]"), "Object missing required field `watch`"),
        (WATCH.replace("[[watch]]", "[watch]"), "'watch' must be written as [[watch]]"),
        (WATCH.replace("every_s = 5", "every_s = -1"), "watch 'page': 'every_s' must be at least 0, got -1"),
        (WATCH.replace("http://", "ftp://"), "'url' must begin with http:// or https://"),
        (WATCH.replace('"http"', '"htp"'), "watch 'page': kind: Invalid enum value 'htp'"),
        (WATCH + 'skills = ["webb"]\n', "'skills' names 'webb', which is not there; did you mean 'web'?"),
        (WATCH + SQL, "needs 'at_least' or 'at_most'"),
        (WATCH + BOOK.replace('"page"', '"pag"') + ACTION, "names 'pag', which is not there; did you mean 'page'?"),
        (WATCH + BOOK, "runbook 'mend': Object missing required field `action`"),
        (WATCH + BOOK + "action = []\n", "runbook 'mend': needs an [[runbook.action]]"),
        (WATCH + BOOK + ACTION.replace('["true"]', '"rm -rf /"'), "action[0].command: Expected `array`"),
        (WATCH + BOOK + ACTION.replace("comm", "com"), "unknown key 'comand'; did you mean 'command'?"),
        (WATCH + BOOK.replace('watches = ["page"]', 'text = "("') + VERIFY + ACTION, "no regular expression"),
        (WATCH + BOOK.replace('watches = ["page"]', "") + VERIFY + ACTION, "'when' must name"),
        (WATCH + BOOK + ACTION + SCHEDULE.replace("0 3 * * *", "0 25 * * *"), "'0 25 * * *' is no cron line: Bad hour"),
        (WATCH + BOOK + ACTION + SCHEDULE.replace("0 3 * * *", "0 3 * *"), "has 4 fields; a cron line has five"),
        (WATCH + BOOK + ACTION + SCHEDULE.replace("UTC", "Mars/Base"), "'Mars/Base' is no time zone"),
        (WATCH + BOOK + ACTION + SCHEDULE + 'checks = ["page"]\n', "needs either 'runbook' or 'checks'"),
        (WATCH + SQL.replace("sqlite:x", "postgresql://a:b@c/d") + "at_most = 1\n", "must not hold a password"),
        (WATCH + "timeout_s = 0\n", "'timeout_s' must be greater than 0, got 0"),
        (WATCH + "timeout_s = nan\n", "'timeout_s' must be greater than 0, got nan"),
        ("watch = []\n", "neither a [[watch]] nor a [[schedule]]"),
        ("[[watch]\n", "Expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        plan_of(text)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"the runbooks /nowhere/x\.toml cannot be read"):
        load_plan("/nowhere/x.toml")


def due(cron: str, start: str, times: int) -> list[str]:
    """When the line is due behind this moment, in Berlin, with the offset from UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    moment_s, found = datetime.fromisoformat(start).replace(tzinfo=berlin).timestamp(), []
    for _ in range(times):
        moment_s = next_due_s(cron, "Europe/Berlin", moment_s)
        found.append(datetime.fromtimestamp(moment_s, berlin).strftime("%d. %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00", ["29. 03:00+0200", "30. 02:30+0200"]),  # 02:30 is left out on the 29th
        ("30 2 * * *", "2026-10-24T12:00", ["25. 02:30+0200", "26. 02:30+0100"]),  # comes twice on the 25th
        ("30 * * * *", "2026-03-29T01:00", ["29. 01:30+0100", "29. 03:30+0200"]),
        ("30 * * * *", "2026-10-25T02:00", ["25. 02:30+0200", "25. 02:30+0100", "25. 03:30+0100"]),
        ("*/20 9-10 * JAN,feb mon-FRI/2", "2026-01-01T00:00", ["02. 09:00+0100", "02. 09:20+0100"]),
        ("0 0 29 2 *", "2026-01-01T00:00", ["29. 00:00+0100"]),
        ("0 12 * * 7", "2026-11-23T00:00", ["29. 12:00+0100", "06. 12:00+0100"]),
    ],
)
def test_cron_lines_are_due_as_with_debians_cron(cron: str, start: str, expected: list[str]) -> None:
    assert due(cron, start, len(expected)) == expected
