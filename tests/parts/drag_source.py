"""A small window in the screen's corner that offers files to be dragged: python3 drag_source.py FILE..."""
import pathlib
import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402


def say(word):
    print(word, flush=True)


def give(_widget, _context, data, _info, _time):
    data.set_uris([pathlib.Path(path).resolve().as_uri() for path in sys.argv[1:]])
    say("given")


def failed(_widget, _context, result):
    say(f"failed: {result.value_nick}")
    return False


window = Gtk.Window(title="files", type=Gtk.WindowType.POPUP)
window.move(0, 0)
window.set_default_size(80, 80)
box = Gtk.EventBox()
box.add(Gtk.Label(label="files"))
window.add(box)
box.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
box.drag_source_add_uri_targets()
box.connect("drag-begin", lambda *_: say("begin"))
box.connect("drag-data-get", give)
box.connect("drag-end", lambda *_: say("end"))
box.connect("drag-failed", failed)
window.connect("map-event", lambda *_: (say("ready"), False)[1])
window.show_all()
Gtk.main()
