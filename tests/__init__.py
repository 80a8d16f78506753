"""The tests; a package, so that `python -m tests.check_docs` finds these and no others."""
