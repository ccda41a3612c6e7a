// The states of the uploader: the state of the whole, and the actions of each state.
import assert from 'node:assert/strict';
import test from 'node:test';
import ResumableUploader from '../../Sources/Web/resumable-uploader.js';

const { actionsOf, longestRise, overallState, rankOf } = ResumableUploader.tools;
const NONE = { queued: 0, uploading: 0, paused: 0, retrying: 0, done: 0, failed: 0, cancelled: 0 };

test('the whole is idle, uploading, paused or done', () => {
  assert.equal(overallState(NONE, false), 'idle');
  assert.equal(overallState({ ...NONE, cancelled: 2 }, false), 'idle');
  assert.equal(overallState({ ...NONE, queued: 1, done: 3 }, false), 'uploading');
  assert.equal(overallState({ ...NONE, retrying: 1, paused: 1 }, false), 'uploading');
  assert.equal(overallState({ ...NONE, uploading: 1 }, true), 'paused');
  assert.equal(overallState({ ...NONE, paused: 1, done: 1 }, false), 'paused');
  assert.equal(overallState({ ...NONE, done: 1, failed: 1 }, false), 'done');
  assert.equal(overallState({ ...NONE, failed: 1 }, false), 'done');
});

test('each state offers its actions', () => {
  for (const state of ['queued', 'uploading']) assert.deepEqual(actionsOf(state), ['edit', 'pause', 'cancel']);
  assert.deepEqual(actionsOf('retrying'), ['now', 'edit', 'pause', 'cancel']);
  assert.deepEqual(actionsOf('paused'), ['edit', 'resume', 'cancel']);
  for (const state of ['failed', 'cancelled']) assert.deepEqual(actionsOf(state), ['retry', 'remove']);
  assert.deepEqual(actionsOf('done'), ['remove']);
});

test('with autoStart: false, added files are ready until the start', () => {
  assert.equal(overallState({ ...NONE, queued: 2 }, false, true), 'ready');
  assert.equal(overallState({ ...NONE, done: 2 }, false, true), 'done');
  assert.equal(overallState(NONE, false, true), 'idle');
});

test('what runs comes first, and what has ended comes last', () => {
  const states = ['done', 'queued', 'retrying', 'failed', 'paused', 'uploading', 'cancelled'];
  const ranked = states.map((state) => [rankOf(state), state]).sort((one, other) => one[0] - other[0]);
  assert.deepEqual(ranked.map((one) => one[1]),
    ['retrying', 'uploading', 'queued', 'paused', 'done', 'failed', 'cancelled']);
});

test('rows that stay in place are the longest rising part of the list', () => {
  assert.deepEqual(longestRise([]), []);
  assert.deepEqual(longestRise([1, 2, 3, 4, 0]), [1, 2, 3, 4], 'the first row goes to the end');
  assert.deepEqual(longestRise([3, 0, 1, 2]), [0, 1, 2], 'the last row comes to the front');
  assert.deepEqual(longestRise([2, 1, 0]), [0]);
  // Every order of six numbers, compared with all of their subsequences.
  const orders = (left) => (left.length === 0 ? [[]]
    : left.flatMap((one) => orders(left.filter((other) => other !== one)).map((rest) => [one, ...rest])));
  for (const order of orders([0, 1, 2, 3, 4, 5])) {
    const rises = (some) => some.every((number, at) => at === 0 || some[at - 1] < number);
    const all = Array.from({ length: 64 }, (_, bits) => order.filter((_, at) => bits & (1 << at))).filter(rises);
    const found = longestRise(order);
    assert.ok(rises(found) && found.length === Math.max(...all.map((some) => some.length)), String(order));
    assert.deepEqual(order.filter((number) => found.includes(number)), found);
  }
});
