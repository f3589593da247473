"""The drop-in by which ``twistd`` finds ``twistd router``."""

from twisted.application.service import ServiceMaker

concord_router = ServiceMaker(
    "Concord", "router.tap", "A WAMP router: RPC, publish/subscribe, realms by YAML.", "router"
)
