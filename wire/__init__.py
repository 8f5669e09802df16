"""What units and the dispatcher say to each other: messages, topics, canonical JSON and signatures."""
