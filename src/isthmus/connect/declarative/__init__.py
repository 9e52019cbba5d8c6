"""A connector made of data: a manifest with a `service` table needs no code to be connected, read and searched."""

from isthmus.connect.declarative.connector import OWN_NAME as OWN_NAME
from isthmus.connect.declarative.connector import Declared as Declared
from isthmus.connect.declarative.connector import Searching as Searching
from isthmus.connect.declarative.connector import connector_of as connector_of
from isthmus.connect.declarative.hosts import Misfit as Misfit
from isthmus.connect.declarative.hosts import fill as fill
from isthmus.connect.declarative.hosts import static as static
