"""The words of the code: imperatives that name functions that write, and words that standard terms of the field replace.

`banned_words()` lists the uses of the latter in names, comments, docstrings and documents (style guide, section 2).
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The first words of functions that write. A function called otherwise only reads.
VERBS = frozenset(
    """
    accept acquire activate add advance amend append apply archive assign beat begin bring build cancel change check choose close
    complete compose confirm continue correct create deactivate dead decide defer delete deliver disable discard dismiss dispatch donate encrypt end enqueue erase
    expire extend fail finish freeze handle hold insert invite issue lease load lock make mark merge migrate move notify open pause poll
    post postpone prepare publish quarantine raise reactivate receive reconcile record redirect refund release rematch remove render renew reopen repair
    replace replay report request requeue resend reserve reset resolve restore resume retry revoke rotate run send set settle sign start store
    sync take tie undo update void wait wake watch withdraw write
    """.split()
)
READERS = ("get_", "find_", "list_", "count_", "is_", "has_", "read_")

# As parts of names that our code defines ...
BANNED_NAMES = frozenset(
    """
    away because buried bury chance desk door doors fence given happened happening happenings heal healed healing house kept
    letter lives made noun odd owed room rooms standing there told verb wish wishes written
    """.split()
)
# ... and in comments, docstrings and documents.
BANNED_PROSE = re.compile(
    r"\b(?:bur(?:y|ied)|desks?|doors?|fenc(?:e|ed|ing)|goes back|gone back|hand[- ]?offs?|hand(?:ed|s)? over|happenings?|heal(?:s|ed|ing)?|heard of"
    r"|houses?|is told|are told|look(?:s|ed)? at|money back|no more|nouns?|nought|of chance|by chance|owed|rooms?|stands?(?!-in)|under-matched|verbs?|whilst)\b",
    re.IGNORECASE,
)
# A file is parsed only if one of the words is somewhere in it.
_WORDS = "|".join(BANNED_NAMES)
_BANNED_SOMEWHERE = re.compile(rf"(?<![a-zA-Z])(?i:{_WORDS})(?![a-z])|(?<=[a-z])(?:{_WORDS.title()})(?![a-z])")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md")


def says_that_it_writes(name: str) -> bool:
    """Whether the name of a function says that it writes."""
    bare = name.lstrip("_")
    if name == "main" or name.startswith("__"):
        return True
    return bare.startswith("get_or_") or (bare.split("_")[0] in VERBS and not bare.startswith(READERS))


def banned_words() -> list[str]:
    """List names and prose that use words of the private dialect, as `file:line: word`."""
    found = []
    for path in _prose_files():
        here, text = path.relative_to(ROOT), path.read_text()
        if path.suffix == ".py" and _BANNED_SOMEWHERE.search(text):
            found += [f"{here}:{line}: name {word}" for line, word in _banned_names(ast.parse(text))]
        if BANNED_PROSE.search(text.replace("_", " ")):
            for line, prose in _prose_of(path, text):
                found += [f"{here}:{line}: {match[0]}" for match in BANNED_PROSE.finditer(prose)]
    return found


def _prose_files() -> list[Path]:
    code = [path for folder in ("campaign", "workers", "migrations", "tests", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.py")]
    sql = [*ROOT.glob("campaign/**/*.sql"), *ROOT.glob("migrations/**/*.sql")]
    return sorted([*code, *sql, *(path for pattern in DOCUMENTS for path in ROOT.glob(pattern))])


def _banned_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        else:
            continue
        # A test's name is a sentence: it is read as prose.
        if not name.startswith("test_"):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("dead_letter", "").split("_")
            yield from ((node.lineno, word) for word in words if word in BANNED_NAMES)


def _prose_of(path: Path, text: str) -> Iterator[tuple[int, str]]:
    if path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
    elif path.suffix == ".sql":
        yield from ((number, line.split("--", 1)[1]) for number, line in enumerate(text.splitlines(), 1) if "--" in line)
    else:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (docstring := ast.get_docstring(node)):
                yield node.body[0].lineno, docstring
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.lineno, node.name.replace("_", " ")
