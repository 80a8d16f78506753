"""Releases a version once it was reviewed. An example of a program with a hive inside."""
