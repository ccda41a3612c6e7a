// The uploader's texts about trouble and its end, the check of types, and the remaining time. Expected values are
// written by hand.
import assert from 'node:assert/strict';
import test from 'node:test';
import ResumableUploader from '../../Sources/Web/resumable-uploader.js';

const {
  RemainingTime, WORDS, actionsOf, canRetry, endingText, failureText, isTypeAccepted, troubleText,
} = ResumableUploader.tools;

test('an interruption has the reason that its status tells', () => {
  const texts = [
    [0, '', 'The server cannot be reached.'],
    [502, '<html><h1>Bad Gateway', 'The server is not available at the moment.'],
    [504, '', 'The server is not available at the moment.'],
    [503, 'The server has no space left\n', 'The server has no space left'],
    [503, '<html>', 'The server cannot take the file at the moment.'],
    [429, '', 'The server cannot take the file at the moment.'],
    [408, '', 'The server cannot take the file at the moment.'],
    [200, '<html>Login', 'The answer did not come from the upload server. You may have to sign in again.'],
    [302, '', 'The answer did not come from the upload server. You may have to sign in again.'],
  ];
  for (const [status, message, text] of texts) assert.equal(troubleText({ status, message }), text, String(status));
  assert.equal(troubleText({ status: 0, message: '' }, WORDS.zh), '无法连接服务器。');
  assert.equal(troubleText({ status: 503, message: 'No space' }, WORDS.zh), '服务器答复：No space');
});

test('a failure has the text of its reason', () => {
  const texts = [
    [{ reason: 'refused', status: 415 }, 'Programs are not accepted here.\n', 'Programs are not accepted here.'],
    [{ reason: 'refused', status: 500 }, 'The server answered 500.', 'The server answered with status 500.'],
    [{ reason: 'refused', status: 403 }, '<html>Forbidden', 'The server answered with status 403.'],
    [{ reason: 'unreachable', status: 0 }, 'The server cannot be reached.', 'The server cannot be reached.'],
    [{ reason: 'foreign', status: 200 }, 'any', WORDS.en.foreign],
    [{ reason: 'unreadable', status: 0 }, 'a cannot be read any more.', WORDS.en.unreadable],
    [{ reason: 'page', status: 0 }, 'Error: x', 'An error in this page stopped the upload: Error: x'],
    [undefined, 'A line of the original', 'A line of the original'],
    [undefined, '', 'The server gave no reason.'],
  ];
  for (const [failure, message, text] of texts) assert.equal(failureText(failure, message), text);
  assert.equal(failureText({ reason: 'unreadable', status: 0 }, 'x', WORDS.zh), WORDS.zh.unreadable);
});

test('only a failure that a retry can end offers one', () => {
  for (const status of [413, 415]) assert.equal(canRetry({ reason: 'refused', status }), false);
  for (const status of [400, 401, 403, 404, 500, 501]) assert.equal(canRetry({ reason: 'refused', status }), true);
  for (const reason of ['unreachable', 'foreign', 'unreadable', 'page']) {
    assert.equal(canRetry({ reason, status: 415 }), true);
  }
  assert.equal(canRetry(null), true);
  assert.deepEqual(actionsOf('failed', false), ['remove']);
});

test('the ending counts what was uploaded, failed and cancelled', () => {
  const none = { queued: 0, uploading: 0, paused: 0, retrying: 0, done: 0, failed: 0, cancelled: 0 };
  assert.equal(endingText({ ...none, done: 2, failed: 2 }), '2 uploaded, 2 failed');
  assert.equal(endingText({ ...none, failed: 1 }), '1 failed');
  assert.equal(endingText({ ...none, done: 3, cancelled: 1 }), '3 uploaded, 1 cancelled');
  assert.equal(endingText(none), '');
  assert.equal(endingText({ ...none, done: 2, failed: 1 }, WORDS.zh), '2 个已上传，1 个失败');
});

test('types are checked as the server does, and undecided ones are left to it', () => {
  const files = [
    ['.pdf', 'a.pdf', '', true], ['.pdf', 'A.PDF', 'text/plain', true], ['.pdf', '.pdf', '', false],
    ['.pdf', 'a.txt', '', false], ['.pdf', 'apdf', '', false],
    ['.pdf,video/*', 'a.mkv', '', true], ['.pdf,video/*', 'a.mkv', 'application/octet-stream', true],
    ['.pdf,video/*', 'a.txt', 'text/plain', false], ['.pdf, video/*', 'a.mp4', 'video/mp4; codecs="avc1"', true],
    ['image/png', 'a.png', 'IMAGE/PNG', true], ['image/png', 'a.gif', 'image/gif', false],
  ];
  for (const [patterns, name, type, accepted] of files) {
    assert.equal(isTypeAccepted(patterns, name, type), accepted, `${patterns} ${name} ${type}`);
  }
});

/** The remaining times of an upload whose speed is measured with noise, ten times a second. */
function remainingTimes(seconds, size, speedAt) {
  const time = new RemainingTime();
  const shown = [];
  let sent = 0;
  for (let now = 0; now <= seconds * 1000; now += 100) {
    const speed = speedAt(now / 1000);
    sent += speed.true / 10;
    shown.push(time.update(size - sent, speed.measured, now));
  }
  return shown;
}

/** A generator of numbers from 0 to 1 that gives the same ones each time. */
function numbers(seed) {
  let state = seed;
  return () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32; };
}

test('on a steady line the remaining time rises at most twice a minute', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = numbers(seed);
    const shown = remainingTimes(300, 400e6, () => ({ true: 1e6, measured: 1e6 * (0.6 + 0.8 * random()) }))
      .filter((value) => !Number.isNaN(value)).map(Math.ceil);
    const rises = shown.flatMap((value, at) => (at > 0 && value > shown[at - 1] ? [at] : []));
    for (const from of rises) {
      assert.ok(rises.filter((at) => at >= from && at < from + 600).length <= 2, `seed ${seed}: ${rises}`);
    }
    const last = shown[shown.length - 1];
    assert.ok(last > 60 && last < 150, `100 seconds are left, shown are ${last}`);
  }
});

test('the remaining time follows a line that gets much slower or faster', () => {
  const slower = remainingTimes(120, 400e6, (at) => ({ true: at < 60 ? 1e6 : 1e5, measured: at < 60 ? 1e6 : 1e5 }));
  assert.ok(slower[620] > 680, `${slower[620]} after two seconds: more than twice the old time`);
  const exact = (400e6 - 60 * 1e6 - 40 * 1e5) / 1e5;
  assert.ok(Math.abs(slower[1000] - exact) < exact / 10, `${slower[1000]} instead of ${exact} after 40 seconds`);
  const faster = remainingTimes(120, 4e9, (at) => ({ true: at < 60 ? 1e6 : 1e7, measured: at < 60 ? 1e6 : 1e7 }));
  const soon = (4e9 - 60e6 - 20 * 1e7) / 1e7;
  assert.ok(Math.abs(faster[800] - soon) < soon / 4, `${faster[800]} instead of ${soon} after 20 seconds`);
});

test('there is no remaining time at the start, without speed, or after a restart', () => {
  const time = new RemainingTime();
  assert.ok(Number.isNaN(time.update(1e6, 1e5, 0)));
  assert.ok(Number.isNaN(time.update(1e6, 1e5, 1900)));
  assert.equal(time.update(1e6, 1e5, 2000), 10);
  assert.ok(Number.isNaN(time.update(1e6, 0, 2100)));
  time.restart();
  assert.ok(Number.isNaN(time.update(1e6, 1e5, 2200)));
});
