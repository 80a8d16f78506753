"""Releases a version once it has been reviewed. An example of a program with a hive inside."""
