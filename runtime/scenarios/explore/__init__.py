"""The scenario `explore`: three agents read a code base nobody has shown them, and plan its refactoring.

The rule of this package: everything is a pure function on frozen values but `listing`, `reading`, `entries` (files)
and `history` (git); only `brains` knows that there are agents.
"""
