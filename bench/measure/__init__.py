"""What is measured on a trained network: accuracy, spikes, synaptic operations, dense MACs, neuron updates."""
