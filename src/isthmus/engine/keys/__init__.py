"""Keys and sealing: master keys by source, and AES-256-GCM with a header and a bound place."""

from isthmus.engine.keys.renewal import renew as renew
from isthmus.engine.keys.sealing import SIZE as SIZE
from isthmus.engine.keys.sealing import Key as Key
from isthmus.engine.keys.sealing import NotOpened as NotOpened
from isthmus.engine.keys.sealing import key_id as key_id
from isthmus.engine.keys.sealing import open as open  # noqa: A004 - read as keys.open
from isthmus.engine.keys.sealing import random_material as random_material
from isthmus.engine.keys.sealing import seal as seal
from isthmus.engine.keys.sources import KeyRing as KeyRing
from isthmus.engine.keys.sources import MasterKeyUnusable as MasterKeyUnusable
from isthmus.engine.keys.sources import load as load
from isthmus.engine.keys.sources import make as make
from isthmus.engine.keys.sources import master_key as master_key
from isthmus.engine.keys.sources import written as written
