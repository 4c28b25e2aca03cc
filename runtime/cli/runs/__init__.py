"""`fleetlog run NAME`: one module for each scenario. They are loaded with the command line, so what a scenario itself
needs is imported where it is run.
"""
