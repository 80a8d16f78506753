"""Examination of this machine: findings about the needs of a hive's containers, with remedies.

`facts` reads the machine, `checks` judges the facts (pure), `fixes` carries out safe remedies.
"""
