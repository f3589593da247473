"""
The direction of imports, read from the source.

A layer imports only what stands before it in ``LAYERS``; the realms and the transports stand side by
side. What is pure imports no reactor, no clock and no randomness.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WAMP, ROUTING, REALMS = "router.wamp", "router.routing", "realms"
DSTM, DSTM_LOG, DSTM_CLIENT = "realms.dstm", "realms.dstm.log", "realms.dstm.client"
DSTM_CORE, DSTM_SEQUENCER = "the core of realms.dstm", "the sequencer of realms.dstm"
TRANSPORT, WEB, CONFIGURATION = "router.transport", "router.web", "router.configuration"
BRIDGE = "router.web.bridge"
SENDING = ("router.web.deliveries", "router.web.outbound")
CLIENT = "router.client"
SETTINGS = ("router.endpoint_strings", "router.node_config", "router.config_directory")

# What DSTM's clients share with its server: values and rules alone.
DSTM_CORE = ("errors", "pointer", "values", "document", "changes", "digest", "reads", "watches", "stm")

# Two layers of realms.dstm are no packages of their own; its other modules are what WAMP sees of it.
PARTS = {
    DSTM_CORE: "array changes digest document errors operations pointer reads stamps stm transaction trie "
    "values watches work",
    DSTM_SEQUENCER: "answers archive arrivals bindings constraints counters decisions durable fairness jobs "
    "presence sequencer settings space state undo waits weight window",
}
LAYER_OF_PART = {f"{DSTM}.{name}": layer for layer, names in PARTS.items() for name in names.split()}

# layer -> the layers that it may import, besides itself
LAYERS: dict[str, set[str]] = {
    WAMP: set(),
    CONFIGURATION: set(),
    ROUTING: {WAMP},
    REALMS: {
        *(WAMP, ROUTING, CONFIGURATION, "router"),
        *("realms.config", "realms.auth.config", "realms.auth.keys", "realms.history.config"),
        *("realms.authorization.config", "realms.authorization.patterns"),
        *("realms.auth.common_config", "realms.catalogue"),
    },
    DSTM_CORE: set(),
    DSTM_LOG: {DSTM_CORE},
    DSTM_SEQUENCER: {DSTM_CORE, DSTM_LOG},
    DSTM: {DSTM_CORE, DSTM_LOG, DSTM_SEQUENCER, "realms.extension", WAMP, ROUTING, CONFIGURATION},
    DSTM_CLIENT: {DSTM_CORE},
    "realms.webhook_config": {CONFIGURATION, "router.wamp.uris", "realms.auth.config"},
    "realms.config": {
        *(CONFIGURATION, "router.wamp.uris", "realms.auth.config"),
        "realms.catalogue",
        *("realms.authorization.checks", "realms.authorization.config"),
        *("realms.history.config", "realms.management_config", "realms.webhook_config"),
        "router.web.static_config",
    },
    "realms.management_config": {CONFIGURATION},
    "router.web.static_config": {CONFIGURATION},
    "router.static_files": {CONFIGURATION, "realms.config", "router.node_config", "router.web.static_config"},
    "realms.history.config": {CONFIGURATION, "router.wamp.uris"},
    "realms.catalogue": {CONFIGURATION, "router.wamp.uris"},
    "realms.auth.config": {CONFIGURATION, "realms.auth.keys", "realms.auth.common_config"},
    "realms.auth.common_config": {CONFIGURATION, "router.wamp.uris"},
    "realms.auth.keys": set(),
    "realms.authorization.config": {CONFIGURATION, "router.wamp.uris"},
    "realms.authorization.patterns": {"router.wamp.uris"},
    "realms.authorization.checks": {
        CONFIGURATION,
        *("router.wamp.uris", "realms.authorization.config", "realms.authorization.patterns"),
    },
    "realms.dstm.client": {f"realms.dstm.{name}" for name in DSTM_CORE},
    TRANSPORT: {WAMP, ROUTING},
    WEB: {"router.web.static_config", "router.web.webhooks"},
    "router.web.webhooks": {
        WAMP,
        ROUTING,
        REALMS,
        "realms.config",
        "realms.webhook_config",
        TRANSPORT,
        "router",
        *SENDING,
    },
    "router.web.deliveries": {"realms.webhook_config"},
    "router.web.outbound": {"realms.webhook_config"},
    BRIDGE: {
        "router",
        WAMP,
        ROUTING,
        REALMS,
        TRANSPORT,
        "router.web.bridge.config",
        "router.web.bridge.nonces",
    },
    "router.web.bridge.config": {CONFIGURATION},
    "router.web.bridge.nonces": set(),
    "router.endpoint_strings": {CONFIGURATION},
    "router.cookie_config": {CONFIGURATION},
    "router.node_config": {
        "router.cookie_config",
        *(CONFIGURATION, WAMP, "router.endpoint_strings"),
        *("router.client_certificates", "router.web.bridge.config", "router.metrics.config"),
        "router.web.static_config",
    },
    "router.client_certificates": {CONFIGURATION, "router.endpoint_strings"},
    "router.config_directory": {
        *(CONFIGURATION, WAMP, REALMS, "realms.config", "router.client_certificates"),
        "realms.authorization.checks",
        "router.static_files",
        *SETTINGS,
    },
    "router.reload": {CONFIGURATION, "router.config_directory"},
    "router.background": set(),
    "router.world": {ROUTING, TRANSPORT, "router.background"},
    "router.node": {
        WAMP,
        ROUTING,
        REALMS,
        "realms.config",
        TRANSPORT,
        WEB,
        "router.web.bridge.nonces",
        CONFIGURATION,
        *SETTINGS,
        "router",
        "router.log",
        "router.management",
        "router.mounts",
        "router.pulse",
        "router.reload",
        "router.static_files",
        "router.world",
    },
    "router.metrics": {"router.metrics.config", TRANSPORT, ROUTING, REALMS, WEB, CONFIGURATION, "router"},
    "router.metrics.config": {CONFIGURATION},
    "router.log_feed": {"router.log"},
    "router.management": {REALMS, ROUTING, WAMP, "router.log", "router.log_feed", "router.metrics"},
    "router.pulse": {REALMS},
    "router.mounts": {TRANSPORT, WEB, BRIDGE, "router.metrics"},
    # The command line client, which needs no router: only how its profiles are read, and DSTM's client.
    CLIENT: {CONFIGURATION, DSTM_CORE, DSTM_CLIENT},
    "router.log": set(),
    "router.process": {"router.log"},
    "router.systemd": set(),
    "router.tap": {
        CONFIGURATION,
        REALMS,
        *SETTINGS,
        "router",
        "router.process",
        "router.systemd",
        "router.log",
        "router.node",
    },
    "router.command": {
        CLIENT,
        REALMS,
        *SETTINGS,
        *(
            "router",
            "router.process",
            "router.systemd",
            "router.log",
            "router.secret_command",
            "router.tap",
            "router.node",
        ),
        "router.explain_command",
    },
    "router.explain_command": {
        *(CONFIGURATION, REALMS, "router.tap", "router.wamp.uris"),
        *("realms.config", "realms.authorization.patterns"),
    },
    "router.secret_command": {REALMS, "realms.auth.keys"},
    "twisted.plugins": {"router.tap"},
    "router": set(),
}
# twisted.plugins names router.tap in a string; its reactor belongs to the transports.
IMPURE = {"asyncio", "os", "random", "secrets", "socket", "threading", "time", "twisted", "uuid"}
# What draws session ids stands with the other ids; the node hands it in.
ALLOWED_IMPURITIES = {("router.wamp.ids", "random")}


def modules() -> dict[str, Path]:
    """Give module name -> file, of everything that is installed."""
    found = {}
    for package in ("router", "realms", "twisted/plugins"):
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Give the names of all modules that a module imports, wherever it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            base = node.module or ""
            submodules = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules or {base}
    return found


def layer_of(module: str) -> str:
    """Give the layer with the longest name that ``module`` is in."""
    if module in LAYER_OF_PART:
        return LAYER_OF_PART[module]
    inside = [layer for layer in LAYERS if module == layer or module.startswith(f"{layer}.")]
    return max(inside, key=len)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_layers_below_it(name: str) -> None:
    layer = layer_of(name)
    allowed = LAYERS[layer] | {layer}
    for imported in sorted(imports(name)):
        if imported.partition(".")[0] in ("router", "realms"):
            assert imported in allowed or layer_of(imported) in allowed, f"{name} imports {imported}"


PURE = (WAMP, ROUTING, DSTM_CORE, DSTM_SEQUENCER)


@pytest.mark.parametrize("name", sorted(n for n in MODULES if layer_of(n) in PURE))
def test_the_core_knows_no_reactor_no_clock_and_no_randomness(name: str) -> None:
    found = {(name, module.partition(".")[0]) for module in imports(name)}
    impure = {(name, module) for module in IMPURE}
    assert found & impure <= ALLOWED_IMPURITIES
    attributes = {
        node.attr
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert not attributes & {"now", "utcnow", "today"}  # of datetime, which is a type of values too


def test_realms_and_transports_do_not_know_each_other() -> None:
    for name in MODULES:
        if name.startswith(f"{REALMS}.") or name == REALMS:
            assert not any(module.startswith(TRANSPORT) for module in imports(name)), name
        if name.startswith(TRANSPORT):
            assert not any(module.split(".")[0] == REALMS for module in imports(name)), name


def test_realms_know_no_reactor() -> None:
    for name in MODULES:
        if name.split(".")[0] == REALMS and name != "realms.dstm.client.twisted":
            assert not any(module.split(".")[0] == "twisted" for module in imports(name)), name


def test_the_parts_of_dstm_are_there() -> None:
    assert LAYER_OF_PART.keys() <= MODULES.keys()


def test_every_module_is_in_a_layer_and_every_layer_has_a_module() -> None:
    assert {layer_of(name) for name in MODULES} == set(LAYERS)
    assert len(MODULES) > 50
