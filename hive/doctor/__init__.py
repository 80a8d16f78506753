"""Is this machine fit to run a hive's containers, and what is to be done if not?

`facts` reads the machine, `checks` judges the facts: pure, and each with its remedy.
"""
