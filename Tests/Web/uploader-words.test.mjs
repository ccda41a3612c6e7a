// What the uploader says: sizes, times, languages, messages, icons. Expected values are written out by hand.
import assert from 'node:assert/strict';
import test from 'node:test';
import ResumableUploader from '../../Sources/Web/resumable-uploader.js';

const {
  WORDS, chooseLanguage, fill, formatBytes, formatDuration, percent, kindOf, plainMessage, elements,
} = ResumableUploader.tools;

test('sizes have decimal units and three digits', () => {
  const sizes = [
    [0, '0 B'], [1, '1 B'], [999, '999 B'], [1000, '1 kB'], [1049, '1.05 kB'], [15_400, '15.4 kB'], [154_000, '154 kB'],
    [999_499, '999 kB'], [999_500, '1 MB'], [1_048_576, '1.05 MB'], [2_147_483_648, '2.15 GB'], [5e12, '5 TB'], [2e15, '2 PB'],
    [4e18, '4,000 PB'], [-1, '0 B'],
  ];
  for (const [bytes, text] of sizes) assert.equal(formatBytes(bytes, 'en'), text);
});

test('times are rounded up and said in the two largest units', () => {
  assert.equal(formatDuration(0.2), '1 s');
  assert.equal(formatDuration(59), '59 s');
  assert.equal(formatDuration(60), '1 min 0 s');
  assert.equal(formatDuration(125), '2 min 5 s');
  assert.equal(formatDuration(3600), '1 h 0 min');
  assert.equal(formatDuration(4801), '1 h 21 min');
  assert.equal(formatDuration(125, 'zh'), '2 分 5 秒');
});

test('a time that nobody can know is not said', () => {
  for (const seconds of [NaN, Infinity, -1, 360_000]) assert.equal(formatDuration(seconds), '');
});

test('a hundred percent is said only of the whole', () => {
  assert.equal(percent(999, 1000), 99);
  assert.equal(percent(1000, 1000), 100);
  assert.equal(percent(1001, 1000), 100);
  assert.equal(percent(0, 0), 0);
  assert.equal(percent(-1, 10), 0);
});

test('the first known language of the reader is taken, English if there is none', () => {
  assert.equal(chooseLanguage(['zh-CN', 'en']), 'zh');
  assert.equal(chooseLanguage(['de', 'ZH-Hant-TW', 'en']), 'zh');
  assert.equal(chooseLanguage(['en-GB', 'zh']), 'en');
  assert.equal(chooseLanguage(['de']), 'en');
  assert.equal(chooseLanguage([]), 'en');
  assert.equal(chooseLanguage(['constructor']), 'en');
});

test('every language has every text, with the same places in it', () => {
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const [key, text] of Object.entries(WORDS.en)) assert.deepEqual(places(WORDS.zh[key]), places(text), key);
  assert.deepEqual(Object.keys(WORDS.zh).sort(), Object.keys(WORDS.en).sort());
});

test('a file name with signs of replacement or braces is said as it is', () => {
  assert.equal(fill('{name} failed', { name: '$&{name}$1' }), '$&{name}$1 failed');
  assert.equal(fill('{unknown}'), '{unknown}');
});

test('the icon goes by media type, then by the name', () => {
  assert.equal(kindOf('x', 'video/mp4'), 'video');
  assert.equal(kindOf('SONG.MP3', ''), 'audio');
  assert.equal(kindOf('a.tar.gz', 'application/gzip'), 'archive');
  assert.equal(kindOf('report.pdf', 'application/pdf'), 'text');
  assert.equal(kindOf('photo.heic', ''), 'image');
  assert.equal(kindOf('noending', ''), 'file');
  assert.equal(kindOf('x.constructor', ''), 'file');
});

test('the line of the server reaches the user, an error page does not', () => {
  assert.equal(plainMessage('Programs are not taken here.\n', '-'), 'Programs are not taken here.');
  assert.equal(plainMessage('one\ntwo', '-'), 'one');
  assert.equal(plainMessage('<html><body>500', '-'), '-');
  assert.equal(plainMessage('  ', '-'), '-');
  assert.equal(plainMessage(undefined, '-'), '-');
  assert.equal(plainMessage('x'.repeat(1000), '-').length, 300);
});

test('a place is an element, a list of them, a jQuery object or nothing', () => {
  const one = { nodeType: 1 };
  const two = { nodeType: 1 };
  assert.deepEqual(elements(one), [one]);
  assert.deepEqual(elements([one, two]), [one, two]);
  assert.deepEqual(elements({ 0: one, 1: two, length: 2, jquery: '3.6.1' }), [one, two]);
  assert.deepEqual(elements(null), []);
  assert.deepEqual(elements({ length: 0 }), []);
});
