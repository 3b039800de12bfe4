"""A cluster that is none: streams of parcels as a test has written them down."""

from types import SimpleNamespace


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class FakeCluster:
    """Each order gets the stream that `script(order)` returns: parcels, and errors that are raised in their turn."""

    def __init__(self, script, cpus=2, gpus=0):
        self.script, self.cpus, self.gpus = script, cpus, gpus
        self.shares, self.cancelled, self.closed, self.graces = [], [], False, []
        self.ray = SimpleNamespace(
            wait=lambda streams, num_returns, timeout: (streams[:num_returns], streams[num_returns:]),
            get=self._get,
            cancel=lambda stream, force: self.cancelled.append(stream),
            exceptions=SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError),
        )
        self.bell = SimpleNamespace(ring=SimpleNamespace(remote=self.graces.append))

    def holds(self):
        return self.cpus, self.gpus

    def stream(self, share, module, order):
        self.shares.append(share)
        return iter(self.script(order))

    def close(self):
        self.closed = True

    @staticmethod
    def _get(parcel):
        if isinstance(parcel, Exception):
            raise parcel
        return parcel
