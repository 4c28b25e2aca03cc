"""The scenario `migrate`: tests go from unittest to pytest, file by file, each change verified before it is kept.

The rule of this package: `codemod` and what it is made of are pure functions from source to source; `repository` alone
runs git, `trials` alone runs tests; only `brains` knows that there are agents. The user's own checkout is never
touched: what is verified is committed on a branch of its own.
"""
