"""Fails unless exactly one module below a package can decode a pickle.

What can: anything of cloudpickle, and of pickle the names below, imported or reached as an attribute.
Other names of pickle (its encoder, its errors, its opcodes) are free.
"""

import ast
import sys
from pathlib import Path

ALLOWED = Path("registry/envelope/by_value.py")
PICKLES = {"pickle", "_pickle", "cloudpickle"}
DECODERS = {"load", "loads", "Unpickler", "_load", "_loads", "_Unpickler", "*"}


def can_decode(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            # A renamed module would hide its decoders from the attribute check below.
            return any(n.name.startswith("cloudpickle") or (n.name in PICKLES and n.asname) for n in names)
        case ast.ImportFrom(module=str(module), names=names) if module in PICKLES:
            return module == "cloudpickle" or any(n.name in DECODERS for n in names)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return module in PICKLES and name in DECODERS
        case ast.Call(
            func=ast.Name(id=called) | ast.Attribute(attr=called),
            args=[ast.Constant(value=str(module)), *_],
        ):
            return called in {"import_module", "__import__"} and module in PICKLES
        case _:
            return False


def decoders(path: Path) -> list[str]:
    """Return place and text of everything in a module that can decode a pickle."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr))
    return [f"{path}:{node.lineno}: {ast.unparse(node)}" for node in nodes if can_decode(node)]


def main(package: str) -> str | None:
    found = {path: decoders(path) for path in sorted(Path(package).rglob("*.py"))}
    here = found.pop(ALLOWED, [])
    if astray := [place for places in found.values() for place in places]:
        return f"Only {ALLOWED} may decode pickles, but:\n" + "\n".join(astray)
    if not here:
        return f"{ALLOWED} decodes no pickle: has the one module that may moved?"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
