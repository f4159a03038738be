"""The media room: ports, prompts, recordings, over the native engine; in virtual time for tests."""
