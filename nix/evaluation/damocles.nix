# A container as a host may have had it before there was a hive, with units of its own. The container
# is a system that was built elsewhere.
{
  containers.damocles = {
    autoStart = false;
    privateNetwork = false;
    path = "/nix/store/nixos-system-damocles";
    bindMounts = {
      "/etc/nix/distributed-build-key".hostPath = "/etc/nix/distributed-build-key";
      "/persist/damocles-ssh".hostPath = "/persist/damocles-ssh";
      "/persist/damocles-lab" = {
        hostPath = "/persist/damocles-lab";
        isReadOnly = false;
      };
    };
  };
  containers.damocles-lab = {
    autoStart = false;
    privateNetwork = false;
    path = "/nix/store/nixos-system-damocles-lab";
    bindMounts."/workspace" = {
      hostPath = "/persist/damocles-lab";
      isReadOnly = false;
    };
  };

  systemd.services."container@damocles".serviceConfig = {
    TimeoutStopSec = "60s";
    RestartSec = "5s";
  };
  systemd.services."container@damocles-lab".serviceConfig = {
    TimeoutStopSec = "60s";
    RestartSec = "5s";
  };
}
