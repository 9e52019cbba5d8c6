"""When connections are read by themselves."""

from isthmus.features.schedules.model import Rule as Rule
from isthmus.features.schedules.model import Schedule as Schedule
from isthmus.features.schedules.service import next_runs as next_runs
from isthmus.features.schedules.service import schedules as schedules
