"""What the operator is shown: status rows, events of the actor system, observed peers, output."""
