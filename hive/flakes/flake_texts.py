"""The generated `flake.nix` files. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping

import attrs
from attrs import field, frozen

from hive.names import container_name

AGENT_MODULE = "agent.nix"
"""The NixOS module in the repository of an agent."""

FLAKE = "flake.nix"


_IS_CONTAINER = (
    '({ options, ... }: { boot.${if options.boot ? isNspawnContainer then "isNspawnContainer" else '
    '"isContainer"} = true; })'
)


@frozen
class Pin:
    """The commit of an agent that its system is built from.

    Attributes:
        repository: The path of its applied repository.
        ref: A tag that leads to the commit, by which Nix fetches it.
        rev: The commit.
        is_flake: Whether it has a `flake.nix` of its own, with inputs of its own.
    """

    repository: str
    ref: str
    rev: str
    is_flake: bool = False

    @property
    def url(self) -> str:
        """The flake reference."""
        return f"git+file://{self.repository}?ref={self.ref}&rev={self.rev}"


@frozen
class SharedInputs:
    """The flake references that the systems of all agents are made of.

    Attributes:
        nixpkgs: That of nixpkgs.
        hyperhive: That of hyperhive, whose module for agents is part of each system; None for
            systems without it.
    """

    nixpkgs: str
    hyperhive: str | None = None

    @property
    def references(self) -> dict[str, str]:
        """The references by the names of their inputs."""
        return {name: url for name, url in attrs.asdict(self).items() if url is not None}

    def taking(self, wanted: SharedInputs, names: Collection[str]) -> SharedInputs:
        """Return these with some references of others, by the names of their inputs."""
        new = {name: url for name, url in attrs.asdict(wanted).items() if name in names}
        return attrs.evolve(self, **new)


@frozen
class MetaInputs:
    """The inputs of the meta flake.

    Attributes:
        shared: Those of all agents.
        pins: The commits of the agents, by name.
    """

    shared: SharedInputs
    pins: Mapping[str, Pin] = field(factory=dict)

    def to_json(self) -> str:
        """Return them as the text of a file."""
        pins = {name: attrs.asdict(self.pins[name]) for name in sorted(self.pins)}
        return json.dumps({**self.shared.references, "agents": pins}, indent=2) + "\n"


def parse_inputs(text: str) -> MetaInputs:
    """Return what `MetaInputs.to_json` has written."""
    found = json.loads(text)
    pins = {name: Pin(**values) for name, values in found.pop("agents").items()}
    return MetaInputs(SharedInputs(**found), pins)


def agent_flake(name: str) -> str:
    """Return the `flake.nix` of an agent that has inputs of its own, for its repository.

    An agent without inputs of its own needs none: its `agent.nix` is used as it is.
    """
    return f"""\
{{
  description = {quoted(f"The agent {name}")};

  outputs = inputs: {{
    nixosModules.default = {{
      imports = [ ./{AGENT_MODULE} ];
      _module.args.flakeInputs = inputs;
    }};
  }};
}}
"""


def meta_flake(inputs: MetaInputs, *, platform: str) -> str:
    """Return the flake with the systems of all agents.

    Args:
        inputs: Its inputs.
        platform: The platform of the systems, as Nix names it.
    """
    pins = inputs.pins
    names = sorted(pins)
    lines = [
        "# Written by hive-c0re at each deploy. Its log has the successful deploys.",
        "{",
        '  description = "The NixOS systems of the agents of a hive";',
        "",
        *_shared(inputs.shared),
        *(line for name in names for line in _input(name, pins[name])),
        "",
        "  outputs = inputs:",
        "    let",
        "      system = hostName: module: inputs.nixpkgs.lib.nixosSystem {",
        "        modules = [",
        *_agent_module(inputs.shared),
        "          module",
        "          {",
        "            networking.hostName = hostName;",
        f"            nixpkgs.hostPlatform = {quoted(platform)};",
        "          }",
        "        ];",
        "      };",
        "    in",
        "    {",
        "      nixosConfigurations = {",
        *(f"        {quoted(name)} = {_system(name, pins[name])};" for name in names),
        "      };",
        "    };",
        "}",
        "",
    ]
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Return a text as a string of the Nix language, in which nothing is interpolated."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'


def _shared(shared: SharedInputs) -> Iterator[str]:
    yield from (f"  inputs.{name}.url = {quoted(url)};" for name, url in shared.references.items())
    if shared.hyperhive is not None:
        yield '  inputs.hyperhive.inputs.nixpkgs.follows = "nixpkgs";'


def _agent_module(shared: SharedInputs) -> Iterator[str]:
    """Yield the module of hyperhive, or what a container needs without it.

    NixOS renamed the option; both sides of the rename are in use.
    """
    if shared.hyperhive is not None:
        yield "          inputs.hyperhive.nixosModules.agent"
    else:
        yield f"          {_IS_CONTAINER}"


def _input(name: str, pin: Pin) -> Iterator[str]:
    yield f"  inputs.{quoted(f'agent-{name}')}.url = {quoted(pin.url)};"
    if not pin.is_flake:
        yield f"  inputs.{quoted(f'agent-{name}')}.flake = false;"


def _system(name: str, pin: Pin) -> str:
    source = f"inputs.{quoted(f'agent-{name}')}"
    module = f"{source}.nixosModules.default" if pin.is_flake else f'"${{{source}}}/{AGENT_MODULE}"'
    return f"system {quoted(container_name(name))} ({module})"
