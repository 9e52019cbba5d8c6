"""What type checkers know of the names that are loaded when they are used."""

from isthmus.library.integrations import Integrations as Integrations
from isthmus.library.opening import Given as Given
from isthmus.library.webhooks import Webhooks as Webhooks

__version__: str
