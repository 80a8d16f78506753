"""What the operator is shown: status rows, the supervision tree, agents' output, events."""
