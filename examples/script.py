"""A plain script: two agents count and check the words of a text file. Kill it and run it again: it goes on.

python script.py FILE [RUNTIME_DIRECTORY]
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime


def counter(ctx: Any) -> dict[str, Any]:
    """Counts in steps: each is recorded, and never made again."""
    text = ctx.step("read", "pure", Path(ctx.prompt).read_text)
    words = ctx.step("count", "pure", lambda: Counter(text.lower().split()).most_common(5))
    answer = ctx.ask("checker", f"Is {words[0][0]!r} worth telling?")
    return {"words": words, "remark": answer.payload}


def checker(ctx: Any) -> None:
    """Answers for as long as the fleet is open."""
    ctx.submit_result("at your service")
    for question in ctx.questions():
        is_short = len(question.payload.split("'")[1]) < 4
        ctx.reply(question, "no, it is too short" if is_short else "yes")


def main(file: str, directory: str = ".fleetlog") -> None:
    """Run the fleet of this file, or go on with it."""
    path = Path(file).resolve()
    fleet = FleetSpec(
        name=f"words of {path.name}",
        agents=(
            AgentSpec(role="counter", prompt=str(path), brain="counter"),
            AgentSpec(role="checker", prompt="Say whether a word is worth telling.", brain="checker"),
        ),
    )
    with Runtime.open(directory, brains={"counter": counter, "checker": checker}) as runtime:
        spawned = runtime.spawn_fleet(fleet, idempotency_key=str(path))
        results = runtime.collect_results(spawned.fleet_id, wait_s=60)
    found = results.results[0].output
    print(f"{results.status}: {found['words'][0][0]!r} is the most frequent word; worth telling: {found['remark']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
