"""The suite every connector folder passes: from its samples, against an emulator, and live against an account."""

from isthmus.connect.conformance.folder import check_folder as check_folder
from isthmus.connect.conformance.report import Broken as Broken
from isthmus.connect.conformance.report import Finding as Finding
from isthmus.connect.conformance.report import broken as broken
