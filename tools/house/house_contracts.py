"""The import contract of our own: another feature is entered only through its door, the package itself."""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class DoorsContract(Contract):
    """Rooms below `rooms` may be imported from outside only as the package; `stewards` may open any door."""

    type_name = "doors"
    rooms = fields.StringField()
    stewards = fields.SetField(subfield=fields.ModuleField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the library's signature
        """Every import of a module deeper than its room, by a module outside that room, breaks the contract."""
        given: set[Any] = self.stewards or set()  # type: ignore[assignment,truthy-bool] # the field holds a set once parsed
        allowed = {steward.name for steward in given}
        broken = [
            detail
            for importer in sorted(graph.modules)
            if importer not in allowed
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if self._passes_the_door(importer, imported)
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _passes_the_door(self, importer: str, imported: str) -> bool:
        prefix = f"{self.rooms}."
        if not imported.startswith(prefix):
            return False
        room = prefix + imported[len(prefix) :].split(".", 1)[0]
        return room not in (imported, importer) and not importer.startswith(f"{room}.")

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each place that walks past a door."""
        details: list[dict[str, Any]] = check.metadata["broken"]
        for detail in details:
            place = f"{detail['importer']}:{detail['line_number']}"
            output.print_error(f"{place} walks past the door of {detail['imported']}: {detail['line_contents']}")
