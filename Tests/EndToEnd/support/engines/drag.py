"""Drags for engines whose driver cannot drag files from outside: a script dispatches the events.

The files are real, because they come from a file input. Folders and the browser's own reaction to a drop are missing.
"""

import pathlib

# Keeps an input of the test's own out of the page's sight and reach.
INPUT = """
    const input = document.createElement('input');
    Object.assign(input, { type: 'file', multiple: true, hidden: true, id: 'dragged' });
    document.querySelector('#dragged')?.remove();
    document.documentElement.append(input);
"""
DISPATCH = """
    const [type, selector, left] = arguments;
    const dataTransfer = new DataTransfer();
    for (const file of document.querySelector('#dragged').files) dataTransfer.items.add(file);
    const dispatch = (type, selector) => document.querySelector(selector)?.dispatchEvent(
      new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true, composed: true }));
    if (left) {
      dispatch('dragenter', selector);
      dispatch('dragleave', left);
    }
    dispatch(type, selector);
    if (type === 'drop') document.querySelector('#dragged').remove();
"""


class ScriptedDrag:
    #: The selector of the element that the files are over.
    over: str | None = None

    def drag(self, kind: str, selector: str, paths: list[pathlib.Path]) -> None:
        left = self.over if self.over != selector else None
        if self.over is None or kind == "dragEnter":
            self.script(INPUT)
            self.set_files("#dragged", paths)
        self.script(DISPATCH, kind.lower(), selector, left)
        self.over = None if kind == "drop" else selector
