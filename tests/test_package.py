"""What of the package is not code: its licence, its version, its commands, and what it is installed with."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import lth

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
NEEDS = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
EVERY = [*NEEDS, *(Requirement(line) for lines in EXTRAS.values() for line in lines)]


def test_the_version_is_one_in_code_citation_and_changelog():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (citation["version"], str(citation["date-released"])) == newest.groups()
    assert lth.__version__ == citation["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lth.version.__version__"}


def test_the_licence_is_whole_and_the_one_that_is_named():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"] == "Apache-2.0"


def test_types_are_shipped():
    assert (ROOT / "lth" / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["lth"]


def test_the_console_script_is_a_command_of_the_package():
    module, _, name = PROJECT["project"]["scripts"]["lth"].partition(":")
    assert isinstance(getattr(import_module(module), name), click.Command)
    assert any(
        module.startswith(pattern.rstrip("*"))
        for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    )


def test_every_dependency_of_the_project_is_locked_as_it_is_asked_for():
    (own,) = [package for package in LOCK["package"] if package["name"] == PROJECT["project"]["name"]]
    locked = {(each["name"], SpecifierSet(each["specifier"])) for each in own["metadata"]["requires-dist"]}
    assert locked == {(canonicalize_name(need.name), need.specifier) for need in EVERY}, "make lock"
    assert SpecifierSet(LOCK["requires-python"]) == SpecifierSet(PROJECT["project"]["requires-python"])


@pytest.mark.parametrize("need", EVERY, ids=lambda need: need.name)
def test_a_locked_version_is_one_that_is_allowed(need):
    versions = [
        package["version"] for package in LOCK["package"] if package["name"] == canonicalize_name(need.name)
    ]
    assert versions
    assert all(version in need.specifier for version in versions)


def test_the_lock_has_a_digest_of_every_file():
    files = [file for package in LOCK["package"] for file in package.get("wheels", [])]
    assert len(files) > 100
    assert all(file["hash"].startswith("sha256:") for file in files)
