"""What a job asks of a SLURM cluster, from a page of TOML; nothing here is an experimental setting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.errors import SlurmError, nearest
from bench.files.toml_file import read_toml

# What the engine says itself: the first letters of a short option too.
_OURS = (
    *("--array", "--chdir", "--error", "--job-name", "--no-requeue", "--open-mode", "--output", "--parsable"),
    *("--requeue", "--signal", "--wait", "--wrap"),
)

Word = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f-][^\x00-\x1f\x7f]*$", max_length=200)]


class Resources(BaseModel):
    """What each job is given; what is not said is the cluster's default.

    time: the limit of one stretch of a run, minutes or as sbatch writes it ("2-12:00:00"); at its end a run saves its
    checkpoint and is queued again.  gres: as "gpu:1".  cpus: of a job.  mem: as "8G".  at_once: jobs that run at the
    same time, at most.  lead_s: how long before the limit a run is told to save, seconds; SLURM may tell it up to a
    minute earlier.  options: more words for sbatch, as "--constraint=a100".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    partition: Word | None = None
    account: Word | None = None
    time: (
        Annotated[int, Field(ge=1, le=10**6)]
        | Annotated[str, Field(pattern=r"^(\d+-\d+(:\d+){0,2}|\d+(:\d+){0,2})$", max_length=30)]
        | None
    ) = None
    gres: Word | None = None
    cpus: Annotated[int, Field(ge=1, le=10**5)] | None = None
    mem: Annotated[str, Field(pattern=r"^\d+[KMGT]?$", max_length=20)] | None = None
    at_once: Annotated[int, Field(ge=1, le=10**5)] | None = None
    lead_s: Annotated[int, Field(ge=1, le=65535)] = 120
    options: Annotated[list[Word | str], Field(max_length=50)] = []

    @field_validator("options")
    @classmethod
    def _none_of_ours(cls, value: list[str]) -> list[str]:
        for option in value:
            name = option.partition("=")[0]
            if not name.startswith("--") or not name[2:] or not option.isprintable():
                raise ValueError(f"'{option:.60}': write an option as in --constraint=a100")
            taken = [ours for ours in _OURS if ours.startswith(name)]  # sbatch takes any beginning of a name
            if taken:
                raise ValueError(f"{name}: spikebench sets {taken[0]} itself; leave it out")
        return value

    def words(self) -> list[str]:
        """Return what sbatch is told."""
        said = {
            "--partition": self.partition,
            "--account": self.account,
            "--time": self.time,
            "--gres": self.gres,
            "--cpus-per-task": self.cpus,
            "--mem": self.mem,
        }
        given = [f"{name}={value}" for name, value in said.items() if value is not None]
        return [*given, f"--signal=B:USR1@{self.lead_s}", *self.options]


def read_resources(file: str) -> Resources:
    """Return what a file asks for; without a name, the defaults of the cluster.

    Raises SlurmError, naming file and key, for a file that is wrong.
    """
    if not file:
        return Resources()
    path = Path(file)
    try:
        data = read_toml(path, "a file of SLURM resources")
    except OSError as error:
        raise SlurmError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SlurmError(f"{path}: {error}") from None
    try:
        return Resources(**data)
    except ValidationError as error:
        found = dict.fromkeys(_problem(detail) for detail in error.errors())
        raise SlurmError("\n".join(f"{path}: {problem}" for problem in found)) from None


def _problem(detail: Any) -> str:
    key = f"{detail['loc'][0]!s:.60}"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; {nearest(key, list(Resources.model_fields))}"
    known = {
        "time": "must be whole minutes from 1, or a time as sbatch writes it, as in '2-12:00:00'",
        "mem": "must be a size as sbatch writes it, as in '8G'",
    }
    return f"{key}: {known.get(key) or detail['msg'].removeprefix('Value error, ')}"
