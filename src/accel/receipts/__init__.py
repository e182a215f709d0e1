"""Receipts: what was computed, of what, and the hashes of what came out, so that any device can be asked again.

`record` runs a model and says so in a `Receipt`, a JSON document; `verify` runs it again on a device of this machine
and says whether every output has the same bits, or where the first difference is. A receipt names a kind of model that
`model` registered; nothing that it names is imported. docs/receipts.md has the document, field by field.
"""

from .document import Receipt, load
from .models import Model, Nothing, Output, model
from .recorded import record
from .verified import Difference, Verdict, verify

__all__ = ["Difference", "Model", "Nothing", "Output", "Receipt", "Verdict", "load", "model", "record", "verify"]
