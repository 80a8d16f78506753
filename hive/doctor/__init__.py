"""Examination of this machine: findings about the needs of a hive's containers, with remedies.

`facts` reads the machine, `checks` judges the facts (pure), `fixes` carries out safe remedies.
`security_facts` and `security_checks` do the same for who may reach the hive and what an agent
could escape by, with the known weaknesses of systemd in `systemd_escapes`; `input_checks` judges
the age of what systems are built of.
"""
