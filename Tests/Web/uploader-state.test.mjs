// What the uploader knows: the state of the whole, what a state allows, the speed.
import assert from 'node:assert/strict';
import test from 'node:test';
import ResumableUploader from '../../Sources/Web/resumable-uploader.js';

const { SpeedMeter, actionsOf, overallState } = ResumableUploader.tools;
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

test('each state offers what makes sense in it', () => {
  for (const state of ['queued', 'uploading', 'retrying']) assert.deepEqual(actionsOf(state), ['edit', 'pause', 'cancel']);
  assert.deepEqual(actionsOf('paused'), ['edit', 'resume', 'cancel']);
  for (const state of ['failed', 'cancelled']) assert.deepEqual(actionsOf(state), ['retry', 'remove']);
  assert.deepEqual(actionsOf('done'), ['remove']);
});

test('a steady upload has its speed from the second sample on', () => {
  const meter = new SpeedMeter();
  meter.sample(0, 0);
  assert.equal(meter.rate, 0);
  for (let second = 1; second <= 30; second += 1) {
    meter.sample(second * 1000, second * 1000);
    assert.ok(Math.abs(meter.rate - 1000) < 0.001);
  }
});

test('what was sent in an earlier session is no speed', () => {
  const meter = new SpeedMeter();
  meter.sample(5e9, 0);
  meter.sample(5e9 + 100, 1000);
  assert.ok(Math.abs(meter.rate - 100) < 0.001);
});

test('an upload that stands still slows down, one that starts again falls to nothing below zero', () => {
  const meter = new SpeedMeter();
  meter.sample(0, 0);
  meter.sample(1000, 1000);
  const before = meter.rate;
  meter.sample(1000, 5000);
  assert.ok(meter.rate < before);
  meter.sample(0, 9000);
  assert.ok(meter.rate >= 0);
});

test('samples that come too fast wait for the next, and lose no byte', () => {
  const meter = new SpeedMeter();
  for (let now = 0; now <= 1000; now += 10) meter.sample(now, now);
  assert.ok(Math.abs(meter.rate - 1000) < 0.001);
});

test('after a restart nothing is known', () => {
  const meter = new SpeedMeter();
  meter.sample(0, 0);
  meter.sample(1000, 1000);
  meter.restart();
  assert.equal(meter.rate, 0);
});
