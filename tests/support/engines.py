"""Engines without processes: one that says what a test has written down, one that works in this process."""

from collections import deque

from bench.execute.work import work


class Scripted:
    """Says of each job what `script(job)` returns, in order; an exception among that is raised while it is heard."""

    def __init__(self, script, slots=1, killed=()):
        self.script, self.slots, self.killed = script, slots, set(killed)
        self.jobs, self.at_once, self.most_at_once, self.stopped_after_s = [], 0, 0, []
        self.said = deque()

    def start(self, job):
        self.jobs.append(job)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.said.extend((job.key, said) for said in self.script(job))

    def hear(self, patience_s):
        if not self.said:
            assert patience_s is not None, "waits for ever"
            return None
        key, said = self.said.popleft()
        if isinstance(said, BaseException):
            raise said
        self.at_once -= said.final
        return key, said

    def stop(self, grace_s):
        self.stopped_after_s.append(grace_s)
        return self.killed


class InThisProcess(Scripted):
    """Works on a job when it is started, and stops it after `steps` training steps."""

    def __init__(self, steps):
        super().__init__(self._worked, slots=1)
        self.steps = steps

    def _worked(self, job):
        said, asked = [], iter(range(self.steps))
        job = job.model_copy(update={"device": "cpu"})
        work(job, said.append, stop=lambda: next(asked, None) is None, patience_s=0.0)
        return said
