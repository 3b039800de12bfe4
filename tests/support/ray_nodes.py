"""A Ray cluster on loopback as a process: prints its address, and obeys `kill` (a node dies), `add` and `end`."""

import os
import sys

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def main():
    from ray.cluster_utils import Cluster

    place = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **place})
    nodes = [cluster.add_node(num_cpus=1, **place) for _ in range(2)]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
        elif line == "add\n":
            nodes.append(cluster.add_node(num_cpus=1, **place))
        else:
            break
        print(line, end="", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
