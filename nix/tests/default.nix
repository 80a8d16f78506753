# A host, a peer and a message between them, in containers of the NixOS test driver (26.05): they
# need no virtual machine, but the features `auto-allocate-uids` and `uid-range` of Nix.
{ pkgs, nixosModules }:
{
  message-between-host-and-peer = pkgs.testers.runNixOSTest {
    name = "message-between-host-and-peer";

    containers.host =
      { pkgs, ... }:
      {
        imports = [ nixosModules.hive-c0re ];
        services.hyperhive = {
          enable = true;
          c0re.runtime = "process";
          agents.alice.run = [
            "${pkgs.coreutils}/bin/cat"
          ];
          peers.damocles.socketUser = "muede";
          web.enable = true;
        };
        environment.systemPackages = [ pkgs.curl ];
        users.users.muede.isNormalUser = true;
      };

    testScript = ''
      host.wait_for_unit("hive-c0re.service")
      host.wait_until_succeeds("hive-c0re status alice | grep -q running")

      as_muede = "su muede -c 'HIVE_SOCKET=/run/hyperhive/agents/damocles/mcp.sock hive-ag3nt {}'"

      with subtest("an agent answers the operator"):
          assert "hello" in host.succeed("hive-c0re send alice hello --wait")

      with subtest("the user of the peer's socket is damocles"):
          assert "damocles (peer)" in host.succeed(as_muede.format("whoami"))
          assert "hello" in host.succeed(as_muede.format("send alice hello --wait"))

      with subtest("the dashboard lets in whoever has a link of the operator"):
          host.wait_for_unit("hive-c0re-web.service")
          host.wait_until_succeeds("curl -sf http://127.0.0.1:7000/login")
          host.fail("curl -sf http://127.0.0.1:7000/agent/alice/")
          assert "/login?token=" in host.succeed("hive-c0re web-login")

      with subtest("a switch to another hive.toml keeps the daemon and its agents"):
          before = host.succeed("systemctl show -p MainPID hive-c0re.service")
          host.succeed("systemctl reload hive-c0re.service")
          assert before == host.succeed("systemctl show -p MainPID hive-c0re.service")
    '';
  };

  peer-in-a-container-of-the-host = pkgs.testers.runNixOSTest {
    name = "peer-in-a-container-of-the-host";

    containers.host = {
      imports = [ nixosModules.hive-c0re ];
      services.hyperhive = {
        enable = true;
        c0re.runtime = "process";
        peers.damocles = {
          container = "damocles";
          hook = true;
        };
      };
      containers.damocles.config.system.stateVersion = "26.05";
    };

    testScript = ''
      host.wait_for_unit("hive-c0re.service")

      with subtest("the container starts although the directory was gone"):
          host.succeed("rm -rf /run/hyperhive/agents/damocles")
          host.succeed("nixos-container start damocles")

      with subtest("sessions of Claude Code report mail"):
          settings = "/etc/claude-code/managed-settings.d/50-hyperhive.json"
          host.succeed(f"nixos-container run damocles -- grep -q 'hive-ag3nt hook' {settings}")

      with subtest("the peer is connected, and receives mail"):
          host.succeed("systemctl restart hive-c0re.service")
          host.wait_until_succeeds("hive-c0re status damocles | grep -q connected")
          host.succeed("hive-c0re send damocles hello")
          received = host.succeed("nixos-container run damocles -- hive-ag3nt recv")
          assert "hello" in received
    '';
  };
}
