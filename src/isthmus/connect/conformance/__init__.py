"""The suite every connector folder passes: from its samples, against an emulator, and live against an account."""

from isthmus.connect.conformance.folder import check_folder as check_folder
from isthmus.connect.conformance.live import Real as Real
from isthmus.connect.conformance.live import check_live as check_live
from isthmus.connect.conformance.playing import PLAYS as PLAYS
from isthmus.connect.conformance.playing import check_on as check_on
from isthmus.connect.conformance.playing import play as play
from isthmus.connect.conformance.report import Broken as Broken
from isthmus.connect.conformance.report import Finding as Finding
from isthmus.connect.conformance.report import broken as broken
from isthmus.connect.conformance.stage import Offer as Offer
from isthmus.connect.conformance.stage import OrderFact as OrderFact
from isthmus.connect.conformance.stage import Role as Role
from isthmus.connect.conformance.stage import Stage as Stage
