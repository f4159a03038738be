"""The call centre's core: which agent, which caller, when and why. Pure: time and randomness are handed in."""
