"""The least a Django project needs for a command. In yours, only the command is new."""

import os
from pathlib import Path

SECRET_KEY = "for the example alone"
INSTALLED_APPS = ["shop"]
DATABASES: dict[str, dict[str, str]] = {}
FLEETLOG_DIR = os.environ.get("FLEETLOG_DIR", str(Path(__file__).parent / ".fleetlog"))
