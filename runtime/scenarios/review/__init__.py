"""The review scenario: three reviewers read a spec or a diff, ask each other, and converge in a council.

Only `brains` knows that there are agents; only `reading` touches files and git; only `markdown` knows the parser.
"""
