"""Control by pictures: preprocessors that make maps, ControlNets, T2I-Adapters and IP-Adapters on our engine."""
