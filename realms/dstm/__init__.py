"""DSTM: objects shared by all clients of a realm, changed only in transactions (docs/dstm.md)."""
