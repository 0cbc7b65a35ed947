"""Runs the code cells of a notebook in order, in the current folder, without Jupyter.

Prints one JSON object: the variables that are asked for, and the specifications of figures that cells end with.
Usage: python run_notebook.py NOTEBOOK VARIABLE...
"""

import ast
import contextlib
import json
import sys


def run(source, names):
    """Executes a cell; gives the value of its last line if that is an expression, as Jupyter shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return last and eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    names, figures = {}, []
    with contextlib.redirect_stdout(sys.stderr):
        for cell in cells:
            if cell["cell_type"] == "code":
                shown = run("".join(cell["source"]), names)
                if hasattr(shown, "_repr_mimebundle_"):
                    bundle = shown._repr_mimebundle_()
                    figures.extend(value for kind, value in bundle.items() if "vegalite" in kind)
    json.dump({**{name: names[name] for name in sys.argv[2:]}, "figures": figures}, sys.stdout)


if __name__ == "__main__":
    main()
