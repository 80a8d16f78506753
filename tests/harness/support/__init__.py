"""A daemon in memory for the tests of clients and harnesses."""
