"""Time of the most used verbs as whole processes, compared with an empty Python."""
