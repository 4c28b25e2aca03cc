"""Ready-made fleets: what `fleetlog run NAME` starts. Each scenario is a package of plain functions."""
