{
  services.hyperhive = {
    enable = true;
    c0re.adminUsers = [ "muede" ];

    manager = {
      driver = "claude";
      description = "hands out the work";
    };
    agents.alice = {
      driver = "claude";
      description = "the parser";
      claude.day_budget = 20;
    };
    agents.bob = {
      driver = "claude";
      description = "the tests";
      memory_max = "8G";
    };

    peers.damocles = {
      container = "damocles";
      socketUser = 1000; # your user in the container
      description = "the day job";
    };

    settings = {
      containers.flake = "/etc/hive#{name}";
      limits.turns = 2;
    };
  };
}
