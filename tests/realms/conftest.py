"""Puts this directory on the import path, for what the directories below it share."""
