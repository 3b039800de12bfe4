"""The verbs for whoever writes a neuron: `check-neuron` and `new neuron`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.commands.options import Trust, out
from bench.errors import BenchError, ParameterError, nearest
from bench.plugins import registry
from bench.plugins.trust import trust as trust_modules

new = typer.Typer(no_args_is_help=True, help="Write a starting file for a plug-in of your own.")


def check_neuron(
    context: typer.Context,
    neuron: Annotated[
        str, typer.Argument(metavar="NEURON", help="A name, or mylab.neurons:AdaptiveLIF (which is imported).")
    ],
    trust: Trust = False,
) -> None:
    """Check a neuron against every line of the contract; its parameters are options: --tau 3.0."""
    from bench.kit import check_neuron as check
    from bench.kit.shrink import INPUT

    info = registry.find("neuron", neuron)
    parameters = _parameters(context.args, info)
    if trust:
        trust_modules(registry.outside_modules([("neuron", neuron), *_named_by(info, parameters)]))
    findings = check(neuron, parameters)
    broken = [finding for finding in findings if finding.problem]
    hints = [finding for finding in findings if finding.hint]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        word = "BROKEN" if finding.problem else "skipped" if finding.skipped else "hint" if finding.hint else "ok"
        out.print(f"{word:<7} {finding.name:<{width}}  {finding.contract}")
        indent = " " * (width + 10)
        if finding.problem:
            out.print(f"{indent}{finding.problem}")
        if finding.example:
            out.print(f"{indent}{INPUT}: {finding.example}")
        if finding.skipped:
            out.print(f"{indent}{finding.skipped}")
        if finding.hint:
            out.print(f"{indent}{finding.hint}")
    if broken:
        out.print(f"{neuron}: {len(broken)} of {len(findings)} lines of the contract are broken")
        raise typer.Exit(1)
    out.print(f"{neuron}: keeps the contract{_hints_in_words(len(hints))}")


@new.command("neuron")
def new_neuron(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As adaptive_lif; the class is then AdaptiveLif.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write NAME.py and test_NAME.py.")] = Path(),
) -> None:
    """Write a documented neuron and its test, which work as written."""
    from bench.kit.scaffold import new_neuron as write

    path, test, plugin = write(name, folder)
    out.print(f"{path}\n{test}")
    out.print(
        f"check it, in its folder:  spikebench check-neuron {plugin}\n"
        f'in a suite:  neuron = {{ name = "{plugin}" }}\nand run it there:  spikebench run SUITE --trust'
    )


def _hints_in_words(count: int) -> str:
    return f"; {count} hint{'' if count == 1 else 's'}, which break{'s' if count == 1 else ''} nothing" if count else ""


def _named_by(info: registry.PluginInfo, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the plug-ins that well-formed parameters name, as an outside surrogate: what is wrong is told later."""
    return [] if info.problems(parameters) else registry.references("neuron", info.name, parameters)


def _parameters(words: list[str], info: registry.PluginInfo) -> dict[str, Any]:
    """Turn `--tau 3 --reset=hard` into parameters. Raises ParameterError for a word that is none."""
    known = {parameter.name: parameter for parameter in info.parameters}
    given: dict[str, Any] = {}
    for key, text in _options(words):
        name = key.replace("-", "_")
        if name not in known:
            raise ParameterError(f"--{key}: neuron '{info.name}' has no such parameter; {nearest(name, list(known))}")
        given[name] = _value(text, known[name].types)
    return given


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            raise BenchError(f"'{word}': expected a parameter of the neuron, as --tau 3.0")
        key, equals, text = word[2:].partition("=")
        if not equals:
            text = next(rest, "")
            if not text:
                raise ParameterError(f"--{key}: needs a value, as --{key} 3.0")
        yield key, text


def _value(text: str, types: tuple[str, ...]) -> Any:
    if "bool" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "None" in types and text.lower() == "none":
        return None
    for kind, convert in (("int", int), ("float", float)):
        if kind in types:
            try:
                return convert(text)
            except ValueError:
                continue
    return text
