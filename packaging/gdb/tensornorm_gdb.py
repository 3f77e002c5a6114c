"""Shows tensornorm's layers in gdb as their options, mode and numbers a channel.

    (gdb) source packaging/gdb/tensornorm_gdb.py
    (gdb) print bn
    $1 = BatchNorm2d(3), training, 1 batches tracked = {weight = {1, 1, 1}, ...}
"""
import re

import gdb
import gdb.printing
import gdb.types


def numbers(vector):
    """The values of an Eigen vector of dynamic size, as gdb's own array of them."""
    storage = vector["m_storage"]
    rows = int(storage["m_rows"])
    if rows == 0:
        return "{}"
    values = vector.type.strip_typedefs().template_argument(0).array(rows - 1)
    return storage["m_data"].cast(values.pointer()).dereference()


class BatchNormPrinter:
    def __init__(self, layer):
        self.type = gdb.types.get_basic_type(layer.type)  # without const, typedefs and references
        self.state = layer["state_"]

    def to_string(self):
        dims = re.search(r"BatchNorm(?:<\w+, )?(\d)", self.type.name)[1]
        mode = "training" if self.state["training"] else "eval"
        return f"BatchNorm{dims}d({self.state['num_features']}), {mode}, {self.state['num_batches_tracked']} batches tracked"

    def children(self):
        for name in ("weight", "bias", "running_mean", "running_var", "weight_grad", "bias_grad"):
            yield name, numbers(self.state[name])


printers = gdb.printing.RegexpCollectionPrettyPrinter("tensornorm")
printers.add_printer("BatchNorm", r"^tensornorm::(v\d+::)?BatchNorm([123]d)?<", BatchNormPrinter)
gdb.printing.register_pretty_printer(gdb.current_objfile(), printers, replace=True)
