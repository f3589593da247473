"""The Python client of DSTM, over an unmodified Autobahn session, on Twisted or asyncio."""
