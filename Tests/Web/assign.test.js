// Assigning elements: twice, by several instances, and undone.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { Dialogue, file } = require('./support/dialogue.js');
const { Element } = require('./support/element.js');

test('an element that is assigned twice opens one dialog and adds the files once', () => {
  const d = new Dialogue();
  for (const node of [new Element('DIV'), new Element('BUTTON'), new Element('INPUT', 'file')]) {
    d.client.assignBrowse(node);
    const { length } = node.listeners;
    d.client.assignBrowse(node);
    d.client.assignBrowse([node, node]);
    assert.equal(node.listeners.length, length);
    const inputs = node.tagName === 'INPUT' ? [node] : node.children;
    assert.equal(inputs.length, 1);
    node.click();
    assert.equal(inputs[0].dialogs, 1);
    inputs[0].files = [file(node.tagName, 5)];
    inputs[0].tell('change');
    d.pass(0);
  }
  assert.deepEqual(d.client.files.map((f) => f.fileName), ['DIV', 'BUTTON', 'INPUT']);
  assert.deepEqual(d.saw('filesAdded').map((one) => one[2]), [[], [], []]);
});

test('two instances may share an element', () => {
  const one = new Dialogue();
  const two = new Dialogue();
  for (const node of [new Element('DIV'), new Element('BUTTON')]) {
    one.client.assignBrowse(node);
    two.client.assignBrowse(node);
    node.click();
    assert.deepEqual(node.children.map((input) => input.dialogs), [1, 1]);
    node.children.forEach((input, i) => {
      input.files = [file(`${node.tagName}${i}`, 5)];
      input.tell('change');
    });
  }
  assert.deepEqual(one.client.files.map((f) => f.fileName), ['DIV0', 'BUTTON0']);
  assert.deepEqual(two.client.files.map((f) => f.fileName), ['DIV1', 'BUTTON1']);
});

test('an element inside another assigned element opens its own dialog only', () => {
  const d = new Dialogue();
  const outer = new Element('DIV');
  const inner = new Element('A');
  outer.appendChild(inner);
  d.client.assignBrowse([outer, inner]);
  inner.click();
  const input = (node) => node.children.find((child) => child.tagName === 'INPUT');
  assert.deepEqual([input(inner).dialogs, input(outer).dialogs], [1, 0]);
});

test('assigning again updates the input, and puts it back if the page has removed it', () => {
  const d = new Dialogue({ fileType: ['jpg'], maxFiles: 1 });
  const node = new Element('DIV');
  d.client.assignBrowse(node, true);
  const [input] = node.children;
  assert.deepEqual([input.multiple, input.attributes.get('accept'), input.hasAttribute('webkitdirectory')],
    [false, '.jpg', true]);
  Object.assign(d.client.opts, { fileType: [], maxFiles: undefined });
  input.remove();
  d.client.assignBrowse(node);
  assert.deepEqual(node.children, [input]);
  assert.deepEqual([input.multiple, input.hasAttribute('accept'), input.hasAttribute('webkitdirectory')],
    [true, false, false]);
});

test('unAssignBrowse restores the element', () => {
  const d = new Dialogue();
  const other = new Dialogue();
  const plain = new Element('DIV');
  const named = new Element('SPAN');
  named.setAttribute('role', 'menuitem');
  const input = new Element('INPUT', 'file');
  d.client.assignBrowse([plain, named, input]);
  other.client.assignBrowse(plain);
  d.client.unAssignBrowse([plain, named, input]);
  d.client.unAssignBrowse(plain);
  d.client.unAssignBrowse(null);
  assert.equal(plain.children.length, 1, 'the input of the other instance');
  plain.click();
  assert.equal(plain.children[0].dialogs, 1);
  other.client.unAssignBrowse(plain);
  for (const node of [plain, named, input]) assert.deepEqual([node.listeners, node.children], [[], []]);
  assert.deepEqual([...plain.attributes], []);
  assert.deepEqual([...named.attributes], [['role', 'menuitem']]);
  d.client.assignBrowse(plain);
  plain.click();
  assert.equal(plain.children[0].dialogs, 1, 'it can be assigned again');
});

test('a drop on an element that is assigned twice adds the files once', async () => {
  const d = new Dialogue();
  const node = new Element('DIV');
  d.client.assignDrop(node);
  d.client.assignDrop([node]);
  node.tell('drop', { dataTransfer: { files: [file('a', 5)] } });
  d.pass(0);
  assert.deepEqual(d.saw('filesAdded').map((one) => [one[1].length, one[2].length]), [[1, 0]]);
});

test('destroy leaves no listener, input, timer or request, and takes no more files', async () => {
  const d = new Dialogue({ testChunks: false, deleteOnCancel: true });
  const nodes = [new Element('DIV'), new Element('INPUT', 'file')];
  d.client.assignBrowse(nodes);
  d.client.assignDrop(nodes[0]);
  d.add(file('a', 15), file('b', 5));
  d.client.upload();
  const [a, b, c] = d.open.slice();
  d.answers(503);
  const [f] = d.client.files;
  const before = d.events.length;
  d.client.destroy();
  assert.deepEqual([a, b, c].map((one) => Boolean(one.aborted)), [false, true, true]);
  assert.equal(d.timers.size, 0);
  assert.equal(d.window.listeners + d.document.listeners, 0);
  for (const node of nodes) assert.deepEqual([node.listeners, node.children, [...node.attributes]], [[], [], []]);
  assert.deepEqual(d.client.files, []);
  assert.deepEqual([d.client.progress(), d.client.getSize(), d.client.isUploading()], [0, 0, false]);
  d.client.addFile(file('c', 5));
  await d.client.handleDropEvent(Object.assign(new Event('drop'), { dataTransfer: { files: [file('d', 5)] } }));
  d.client.upload();
  d.client.uploadNextChunk();
  f.retry();
  f.cancel();
  d.pass(1e6);
  d.asks();
  assert.deepEqual(d.client.files, []);
  assert.equal(d.events.length, before, 'no event');
  d.client.destroy();
});

test('an instance may be destroyed by its own listeners', () => {
  for (const name of ['fileAdded', 'uploadStart', 'fileProgress', 'fileRetry', 'fileSuccess', 'complete']) {
    const d = new Dialogue({ testChunks: false, throttleProgressCallbacks: 0 });
    d.client.on(name, () => d.client.destroy());
    d.add(file('a', 15), file('b', 5));
    d.client.upload();
    for (let i = 0; i < 20 && d.open.length > 0; i++) {
      d.open[0].upload.onprogress({ loaded: 1, total: 2 });
      if (d.open.length > 0) d.answers(i === 0 ? 503 : 200);
      d.pass(60000);
    }
    assert.deepEqual([d.client.files, d.open, d.timers.size], [[], [], 0], name);
  }
});
