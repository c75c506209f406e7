"""Reads the source with `ast` and reports its structure: packages and their imports, cycles, sizes, commits, names, words.

`python -m tools.architecture` prints the report; tests/test_architecture.py asserts it. Nothing here imports the service.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.vocabulary import banned_words, says_that_it_writes

ROOT = Path(__file__).resolve().parents[1]

# A package may import those above it in this list and no others.
PACKAGES = (
    "rules",
    "config",
    "logs",
    "texts",
    "edges",
    "ledger",
    "staff",
    "campaigns",
    "donations",
    "outbox",
    "matching",
    "payments",
    "recurring",
    "receipts",
    "stripe_sync",
    "funders",
    "privacy",
    "operations",
    "reporting",
    "mail",
    "schedule",
    "web",
    "campaign",
    "cli",
    "devstack",
    "workers",
    "wsgi",
)
# The stand-in for Stripe shares no code with the service that it tests.
STAND_IN = "campaign.devstack.sandbox"
# Modules whose functions end transactions, beside those called *_actions and *_jobs.
TRANSACTION_PACKAGES = ("web", "cli", "devstack", "workers")

# Guarded by `try`: the wheel has no dev stack.
OPTIONAL_IMPORTS = {("campaign.cli.main", "campaign.devstack.command_settings")}

LONGEST_FILE = 300
LONGEST_FUNCTION = 50

_WRITING_METHODS = frozenset({"add", "add_all", "delete", "commit", "merge", "bulk_insert_mappings"})
_WRITING_CONSTRUCTS = frozenset({"insert", "update", "delete", "with_for_update"})
_WRITING_SQL = re.compile(
    r"\b(?:INSERT INTO|UPDATE \w+ SET|DELETE FROM|FOR (?:NO KEY )?(?:UPDATE|SHARE)|pg_(?:try_)?advisory|nextval|setval)\b"
)


def source_files() -> list[Path]:
    return sorted([*ROOT.glob("campaign/**/*.py"), *ROOT.glob("workers/*.py"), ROOT / "wsgi.py"])


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    parts = module.split(".")
    if parts[0] != "campaign":
        return parts[0]
    if module == "campaign.__main__":
        return "cli"
    return parts[1] if len(parts) > 1 else "campaign"


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports, by their full names."""
    return tuple(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative import"
            for alias in node.names:
                inner = ROOT / node.module.replace(".", "/") / alias.name
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def our_imports() -> dict[str, set[str]]:
    """Return the import graph of our own modules."""
    return {
        module_name(path): {name for name in imports_of(path) if name.split(".")[0] in {"campaign", "workers"}} - {module_name(path)}
        for path in source_files()
    }


def package_imports(graph: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return which packages each package imports."""
    found: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for module, targets in graph.items():
        here = package_of(module)
        found.setdefault(here, set()).update(
            {package_of(target) for target in targets if (module, target) not in OPTIONAL_IMPORTS} - {here}
        )
    return found


def forbidden_imports(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """List imports that do not run from a later package to an earlier one, or cross the border of the stand-in."""
    wrong = []
    for module, targets in graph.items():
        for target in targets:
            if module.startswith(STAND_IN) != target.startswith(STAND_IN):
                is_allowed = not module.startswith(STAND_IN) and package_of(module) == "devstack"
            else:
                is_allowed = PACKAGES.index(package_of(target)) <= PACKAGES.index(package_of(module))
            if not is_allowed and (module, target) not in OPTIONAL_IMPORTS:
                wrong.append(f"{module} imports {target}")
    return sorted(wrong)


def find_cycles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return one import cycle for each that depth-first search meets."""
    done: set[str] = set()
    cycles: list[list[str]] = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            cycles.append([*path[path.index(module) :], module])
            return
        if module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())
    return cycles


def long_files() -> list[str]:
    lengths = {path: len(path.read_text().splitlines()) for path in source_files()}
    return [f"{path.relative_to(ROOT)}: {length}" for path, length in lengths.items() if length > LONGEST_FILE]


def long_functions() -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in source_files()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]


def commits_outside_entry_points() -> list[str]:
    """List modules that commit or roll back although neither their name nor their package says so."""
    return [
        module
        for path in source_files()
        if not (module := module_name(path)).endswith(("_actions", "_jobs"))
        and package_of(module) not in TRANSACTION_PACKAGES
        and any(isinstance(n, ast.Call) and ast.unparse(n.func).endswith(("session.commit",)) for n in ast.walk(parse(path)))
    ]


@dataclass
class _Function:
    module: str
    qualified: str
    name: str
    is_entry: bool
    writes: bool
    calls: set[str] = field(default_factory=set)


def writers_named_as_readers() -> list[str]:
    """List functions that insert, delete, lock or commit, by themselves or by what they call, without a verb for a name."""
    functions = {f.qualified: f for path in source_files() if not module_name(path).startswith(STAND_IN) for f in _functions_of(path)}
    writing = {name for name, function in functions.items() if function.writes}
    callers: dict[str, set[str]] = defaultdict(set)
    for name, function in functions.items():
        for called in function.calls & functions.keys():
            callers[called].add(name)
    pending = list(writing)
    while pending:
        for caller in callers[pending.pop()] - writing:
            writing.add(caller)
            pending.append(caller)
    return sorted(name for name in writing if not functions[name].is_entry and not says_that_it_writes(functions[name].name))


def _functions_of(path: Path) -> Iterator[_Function]:
    module, tree = module_name(path), parse(path)
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def visit(body: Iterable[ast.stmt], prefix: str, owner: str | None) -> Iterator[_Function]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from visit(node.body, f"{prefix}.{node.name}", f"{prefix}.{node.name}")
            elif isinstance(node, ast.FunctionDef):
                decorators = [ast.unparse(d) for d in node.decorator_list]
                yield _Function(
                    module=module,
                    qualified=f"{prefix}.{node.name}",
                    name=node.name,
                    is_entry=any(re.search(r"\.(?:get|post|route|task|command|group|cli|before_request|teardown)", d) for d in decorators),
                    writes=_writes(node),
                    calls=set(_calls(node, module, imported, owner)),
                )

    yield from visit(tree.body, module, None)


def _writes(function: ast.FunctionDef) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WRITING_SQL.search(node.value):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if node.func.attr in _WRITING_METHODS and owner.endswith("session"):
                return True
            if node.func.attr == "with_for_update":
                return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _WRITING_CONSTRUCTS:
            return True
        if isinstance(node, ast.keyword) and node.arg == "with_for_update":
            return True
    return False


def _calls(function: ast.FunctionDef, module: str, imported: Mapping[str, str], owner: str | None) -> Iterator[str]:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            yield imported.get(node.func.id, f"{module}.{node.func.id}")
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            holder = node.func.value.id
            if holder in {"self", "cls"} and owner:
                yield f"{owner}.{node.func.attr}"
            else:
                yield f"{imported.get(holder, f'{module}.{holder}')}.{node.func.attr}"


def main() -> int:
    graph = our_imports()
    print("Packages, lowest first, and what they import")
    for package, imports in package_imports(graph).items():
        print(f"  {package:<12} {', '.join(sorted(imports, key=PACKAGES.index)) or '-'}")
    sections = {
        "Forbidden imports": forbidden_imports(graph),
        "Import cycles": [" -> ".join(cycle) for cycle in find_cycles(graph)],
        f"Files over {LONGEST_FILE} lines": long_files(),
        f"Functions over {LONGEST_FUNCTION} lines": long_functions(),
        "Commits outside entry points": commits_outside_entry_points(),
        "Functions that write without a verb": writers_named_as_readers(),
        "Banned words": banned_words(),
    }
    for title, found in sections.items():
        print(f"{title}: {'none' if not found else ''}")
        print("".join(f"  {line}\n" for line in found), end="")
    return 1 if any(sections.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
