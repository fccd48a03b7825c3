"""The parts that a bot and an integration have in common."""
