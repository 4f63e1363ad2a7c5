"""What otelllm raises into an app: refusals, and mistakes in its own settings. Nothing else."""

__all__ = ["BadConfig", "Blocked", "KillSwitchOn"]


class BadConfig(ValueError):  # noqa: N818  public, and named so in every error text of ours
    """A setting or policy that can't be used: names the value, its file and line where it has them, and the way out."""


class Blocked(Exception):  # noqa: N818  "Blocked" is what users catch; it is a refusal, not a fault
    """A call that a rule of the policy refused. The provider was not asked."""

    def __init__(self, message: str, *, rule: str = "", scope: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.scope = scope


class KillSwitchOn(Blocked):
    """The kill switch is on for this call; ``rule`` and ``scope`` say which one."""
