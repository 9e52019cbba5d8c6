"""The sealer of the log, in every worker."""

from isthmus.features.audit.service.sealing import seal_on

SEAL = "audit.seal"
RUNS = {SEAL: seal_on}
