# The rules for names, which are those of hive/names.py: what breaks one is an error of the
# evaluation, and not of the daemon's start.
{ lib }:
let
  reserved = [
    "operator"
    "system"
    "reminder"
    "manager"
    "self"
    "hm1nd"
  ];
  shaped = name: builtins.match "[a-z][a-z0-9-]*" name != null;

  # A list with the problem of a name, or an empty list.
  problem =
    kind: longest: why: name:
    if lib.elem name reserved then
      [ "${kind}.${name}: the name is reserved; choose another one" ]
    else if !shaped name then
      [ "${kind}.${name}: use a to z, 0 to 9 and '-', a letter first" ]
    else if lib.stringLength name > longest then
      [
        "${kind}.${name}: the name has ${toString (lib.stringLength name)} characters, and at most ${toString longest} are possible, ${why}"
      ]
    else
      [ ];
in
{
  agentProblems = problem "services.hyperhive.agents" 9 "so that its container is h-<name>";
  peerProblems = problem "services.hyperhive.peers" 32 "since it names a directory";
}
