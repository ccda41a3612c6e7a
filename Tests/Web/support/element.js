// Elements as far as picking and dropping files needs them: a tree, attributes, classes, and events that bubble. A click
// on a file input opens its dialog unless a listener prevents it.
'use strict';

class Element {
  nodeType = 1;
  parentNode = null;
  children = [];
  attributes = new Map();
  classes = new Set();
  /** How often the file dialog was opened. */
  dialogs = 0;
  isClicked = false;
  /** Each `{ type, listener }` once, as in browsers. */
  listeners = [];
  classList = {
    add: (...names) => { for (const name of names) this.classes.add(checked(name)); },
    remove: (...names) => { for (const name of names) this.classes.delete(checked(name)); },
  };

  constructor(tagName, type) {
    this.tagName = tagName;
    this.type = type;
    this.ownerDocument = { createElement: (name) => new Element(name.toUpperCase(), 'file') };
  }

  setAttribute(name, value) { this.attributes.set(name, value); }
  removeAttribute(name) { this.attributes.delete(name); }
  hasAttribute(name) { return this.attributes.has(name); }

  appendChild(child) {
    child.remove();
    child.parentNode = this;
    this.children.push(child);
  }
  remove() {
    if (this.parentNode) this.parentNode.children = this.parentNode.children.filter((one) => one !== this);
    this.parentNode = null;
  }
  contains(other) {
    return other === this || this.children.some((child) => child.contains(other));
  }

  addEventListener(type, listener) {
    if (!this.listeners.some((one) => one.type === type && one.listener === listener)) {
      this.listeners.push({ type, listener });
    }
  }
  removeEventListener(type, listener) {
    this.listeners = this.listeners.filter((one) => one.type !== type || one.listener !== listener);
  }

  /** Dispatches an event that bubbles. */
  tell(type, more = {}) {
    const event = {
      type, target: this, defaultPrevented: false, stopped: false,
      preventDefault() { this.defaultPrevented = true; },
      stopPropagation() { this.stopped = true; },
      ...more,
    };
    for (let node = this; node && !event.stopped; node = node.parentNode) {
      event.currentTarget = node;
      for (const { listener } of node.listeners.filter((one) => one.type === type)) listener(event);
    }
    return event;
  }

  /** As in browsers, `click()` does nothing while the element is being clicked. */
  click() {
    if (this.isClicked) return;
    this.isClicked = true;
    const event = this.tell('click');
    this.isClicked = false;
    if (this.tagName === 'INPUT' && !event.defaultPrevented) this.dialogs++;
  }
}

/** Browsers refuse these class names. */
function checked(name) {
  if (name === '') throw new DOMException('empty', 'SyntaxError');
  if (/\s/.test(name)) throw new DOMException(name, 'InvalidCharacterError');
  return String(name);
}

module.exports = { Element };
