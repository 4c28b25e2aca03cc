"""What may happen to a fleet template."""

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import FleetSpec, TemplateVariable

__all__ = ["TemplateDeleted", "TemplateSaved"]


class TemplateSaved(Fact, frozen=True, tag="template.saved"):
    """Versions count from 1, and go on counting after a deletion. `spec` still has its placeholders."""

    version: int
    spec: FleetSpec
    description: str = ""
    variables: tuple[TemplateVariable, ...] = ()


class TemplateDeleted(Fact, frozen=True, tag="template.deleted"):
    reason: str = ""
