"""What can be wrong with a record before it reaches the store."""

from isthmus.connect.keeping import Unstorable as Unstorable
