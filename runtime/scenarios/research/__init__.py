"""The research scenario: a lead splits a question, researchers look into its parts, a fact checker doubts what they
say, a synthesizer writes the report while it grows.

Only `brains` knows that there are agents; only `reading` touches files; only `pdf` knows pypdf; only `library` knows
SQLite.
"""

from fleetlog.runtime.scenarios.research.spec import REPORT_SCHEMA

__all__ = ["REPORT_SCHEMA"]
