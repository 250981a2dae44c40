"""Where the project is published, and what follows from it: links that open a lesson elsewhere, and how it installs itself.

The address stands once, in `pyproject.toml` under `[project.urls]`, as `Repository`. While it does not, lessons install the
package from the clone around them and have no links to Colab and Binder.
"""

import tomllib
from pathlib import Path

HOST = "https://github.com/"
INSTALL = """\
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("auxformer") is None:  # another kernel than make lab: some minutes
    clones = [str(above) for above in Path.cwd().parents if (above / "pyproject.toml").is_file()]
    source = clones[0] if clones else {elsewhere!r}
    if source is None:
        raise ModuleNotFoundError("auxformer is missing; open this inside a copy of the project")
    pip_install = [sys.executable, "-m", "pip", "install", "--quiet", source]
    subprocess.run(pip_install, check=True)"""


def repository(root: Path) -> str | None:
    """Return "owner/name" on GitHub, or None when the project has no address yet."""
    file = Path(root) / "pyproject.toml"
    settings = tomllib.loads(file.read_text()) if file.is_file() else {}
    address = settings.get("project", {}).get("urls", {}).get("Repository", "")
    return address.removeprefix(HOST).removesuffix("/") if address.startswith(HOST) else None


def install_cell(address: str | None) -> str:
    """Source of the cell before a lesson's set-up: it installs the package where it is absent."""
    return INSTALL.format(elsewhere=f"git+{HOST}{address}" if address else None)


def links(address: str | None, notebook: str = "notebooks/00_orientation.ipynb") -> str:
    """Markdown links that open a notebook (path in the project) in Colab and in Binder; empty without an address."""
    if not address:
        return ""
    colab = f"https://colab.research.google.com/github/{address}/blob/main/{notebook}"
    binder = f"https://mybinder.org/v2/gh/{address}/main?labpath={notebook}"
    return f"[open in Colab]({colab}) · [open in Binder]({binder})"
