"""A management command: one agent for each article writes a description. Interrupted and run again, it goes on."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime


def describe(ctx: Any) -> str:
    """One article. A step is where a model, or your own code, does the work; in it the ORM may be used as usual."""
    return str(ctx.step("describe", "pure", lambda: f"A {ctx.item} you will keep for years."))


class Command(BaseCommand):
    """`python manage.py describe_articles NAME...`"""

    help = "Describe articles: one agent for each, four at a time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The articles' names."""
        parser.add_argument("articles", nargs="+", metavar="NAME")

    def handle(self, *_: Any, articles: list[str], **options: Any) -> None:
        """Run the fleet of these articles to its end, or go on with it."""
        fleet = FleetSpec(
            name="descriptions",
            agents=(AgentSpec(role="writer", prompt="Describe it.", brain="describe", each=tuple(articles)),),
            max_concurrency=4,
        )
        try:
            with Runtime.open(settings.FLEETLOG_DIR, brains={"describe": describe}) as runtime:
                spawned = runtime.spawn_fleet(fleet, idempotency_key=f"describe {' '.join(articles)}")
                results = runtime.collect_results(spawned.fleet_id, wait_s=600)
        except FleetlogError as error:
            raise CommandError(str(error)) from error
        for article, result in zip(articles, results.results, strict=True):
            self.stdout.write(f"{article}: {result.output if result.status == 'complete' else result.error}")
