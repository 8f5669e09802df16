"""What an owner sees: the evidence of their case and the ways to answer, on paths that may face the public."""
