"""Research without a model: questions answered from a folder of documents, in their own words, each with its place.

The rule of this package: everything is a pure function on frozen values but `documents` (files) and `keeping` (the
report that grows); only `brains` knows that there are agents. Nothing is inferred: what is said stands in a document.
"""
