"""The scenario `triage`: a log of failing tests becomes a short list of causes, each with its evidence.

The rule of this package: everything is a pure function on frozen values but `reading` (the log and the workspace),
`workplace` (copies of the workspace, and the tests run there) and `suspects` (git); only `brains` knows that there
are agents. The workspace itself is never written to, and no test is run in it.
"""
