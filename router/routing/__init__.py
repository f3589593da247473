"""The routing core: pure tables and decisions. No Twisted, no clock, no randomness in here."""
