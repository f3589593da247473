"""WAMP as values: messages, URIs, ids, errors, features and serializers. No Twisted in here."""
