"""Git: the applied repository of each agent, and the import of proposals into it.

`runner` runs git with a closed environment, a deadline and a bounded output. `applied` is a
repository that only hive-c0re writes: commits, tags, differences; `repositories` has one for each
agent. `proposed` is the repository that the manager writes, which is data here and never run;
`new_repository` makes one. `quarantine` imports a commit of it, once `tree_check` has accepted its
files (pure). `check_out` writes the files of a commit to the disk.
"""
