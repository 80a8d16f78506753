"""Is this machine fit to run a hive's containers, and what is to be done if not?

`facts` looks at the machine, `checks` judges what it saw: pure, and each with its remedy.
"""
