// The uploader's texts: sizes, durations, languages, messages, icons. Expected values are written by hand.
import assert from 'node:assert/strict';
import test from 'node:test';
import ResumableUploader from '../../Sources/Web/resumable-uploader.js';

const {
  WORDS, canonicalLanguage, chooseLanguage, elements, fill, formatBytes, formatDuration, kindOf, percent, plainMessage,
  recordOf, shortName,
} = ResumableUploader.tools;

test('sizes have decimal units and three significant digits', () => {
  const sizes = [
    [0, '0 B'], [1, '1 B'], [999, '999 B'], [1000, '1 kB'], [1049, '1.05 kB'], [15_400, '15.4 kB'], [154_000, '154 kB'],
    [999_499, '999 kB'], [999_500, '1 MB'], [1_048_576, '1.05 MB'], [2_147_483_648, '2.15 GB'], [5e12, '5 TB'],
    [2e15, '2 PB'],
    [4e18, '4,000 PB'], [-1, '0 B'],
  ];
  for (const [bytes, text] of sizes) assert.equal(formatBytes(bytes, 'en'), text);
});

test('durations are rounded up to their two largest units', () => {
  assert.equal(formatDuration(0.2), '1 s');
  assert.equal(formatDuration(59), '59 s');
  assert.equal(formatDuration(60), '1 min 0 s');
  assert.equal(formatDuration(125), '2 min 5 s');
  assert.equal(formatDuration(3600), '1 h 0 min');
  assert.equal(formatDuration(4801), '1 h 21 min');
  assert.equal(formatDuration(86_399), '1 d 0 h');
  assert.equal(formatDuration(90_061), '1 d 2 h');
  assert.equal(formatDuration(125, 'zh'), '2 分 5 秒');
  assert.equal(formatDuration(90_061, 'zh'), '1 天 2 小时');
});

test('a duration that is not finite or negative is empty', () => {
  for (const seconds of [NaN, Infinity, -1]) assert.equal(formatDuration(seconds), '');
});

test('only what is complete shows 100 percent', () => {
  assert.equal(percent(999, 1000), 99);
  assert.equal(percent(1000, 1000), 100);
  assert.equal(percent(1001, 1000), 100);
  assert.equal(percent(0, 0), 0);
  assert.equal(percent(-1, 10), 0);
});

test('the first language of the reader that has a translation is chosen, else English', () => {
  assert.equal(chooseLanguage(['zh-CN', 'en']), 'zh');
  assert.equal(chooseLanguage(['de', 'ZH-Hant-TW', 'en']), 'zh');
  assert.equal(chooseLanguage(['en-GB', 'zh']), 'en');
  assert.equal(chooseLanguage(['de']), 'en');
  assert.equal(chooseLanguage([]), 'en');
  assert.equal(chooseLanguage(['constructor']), 'en');
});

test('every language has every text, with the same placeholders', () => {
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const [key, text] of Object.entries(WORDS.en)) assert.deepEqual(places(WORDS.zh[key]), places(text), key);
  assert.deepEqual(Object.keys(WORDS.zh).sort(), Object.keys(WORDS.en).sort());
});

test('a line never breaks within a rate: a break is allowed between a slash and a Chinese letter', () => {
  for (const { rate } of Object.values(WORDS)) assert.doesNotMatch(rate, /\/\p{Script=Han}/u);
  assert.equal(WORDS.zh.rate.replace('\u2060', ''), '{a}/秒');
});

test('a file name with dollar signs or braces is inserted unchanged', () => {
  assert.equal(fill('{name} failed', { name: '$&{name}$1' }), '$&{name}$1 failed');
  assert.equal(fill('{unknown}'), '{unknown}');
});

test('the icon follows the media type, then the extension', () => {
  assert.equal(kindOf('x', 'video/mp4'), 'video');
  assert.equal(kindOf('SONG.MP3', ''), 'audio');
  assert.equal(kindOf('a.tar.gz', 'application/gzip'), 'archive');
  assert.equal(kindOf('report.pdf', 'application/pdf'), 'text');
  assert.equal(kindOf('photo.heic', ''), 'image');
  assert.equal(kindOf('noending', ''), 'file');
  assert.equal(kindOf('x.constructor', ''), 'file');
});

test('the user sees the first line of an answer, but no HTML', () => {
  assert.equal(plainMessage('Programs are not accepted here.\n', '-'), 'Programs are not accepted here.');
  assert.equal(plainMessage('one\ntwo', '-'), 'one');
  assert.equal(plainMessage('<html><body>500', '-'), '-');
  assert.equal(plainMessage('  ', '-'), '-');
  assert.equal(plainMessage(undefined, '-'), '-');
  assert.equal(plainMessage('x'.repeat(1000), '-').length, 300);
});

test('a place is an element, a list of elements, a jQuery object or nothing', () => {
  const one = { nodeType: 1 };
  const two = { nodeType: 1 };
  assert.deepEqual(elements(one), [one]);
  assert.deepEqual(elements([one, two]), [one, two]);
  assert.deepEqual(elements({ 0: one, 1: two, length: 2, jquery: '3.6.1' }), [one, two]);
  assert.deepEqual(elements(null), []);
  assert.deepEqual(elements({ length: 0 }), []);
});

test('parameters are an object, or pairs in which a name may be repeated', () => {
  assert.deepEqual(recordOf({ a: '1', b: ['2', '3'] }), { a: '1', b: ['2', '3'] });
  assert.deepEqual(recordOf(new URLSearchParams('a=1&b=2&b=3&b=4')), { a: '1', b: ['2', '3', '4'] });
  assert.deepEqual(recordOf(new Map([['a', '1']])), { a: '1' });
  assert.deepEqual(recordOf(undefined), {});
});

test('a long name is shortened in its middle and keeps its extension', () => {
  assert.equal(shortName('short.txt'), 'short.txt');
  const long = `${'archive-of-everything_'.repeat(8)}2026-11-23.tar.gz`;
  const short = shortName(long);
  assert.equal([...short].length, 60);
  assert.ok(short.startsWith('archive-of-everything_') && short.endsWith('2026-11-23.tar.gz'), short);
  const wide = shortName(`${'会'.repeat(100)}.pdf`);
  assert.ok(wide.endsWith('会.pdf') && [...wide].length <= 33, wide);
  assert.equal(shortName('ab\u{1f468}\u200d\u{1f469}\u200d\u{1f467}cd', 5), 'ab…d', 'no family is torn apart');
});

test('an invalid language tag is English', () => {
  assert.equal(canonicalLanguage('de'), 'de');
  assert.equal(canonicalLanguage('de_CH'), 'de-CH');
  assert.equal(canonicalLanguage('not a language'), 'en');
});

test('durations take the words of the page', () => {
  assert.equal(formatDuration(125, 'en', { ...WORDS.en, minutes: '{m} Min. {s} Sek.' }), '2 Min. 5 Sek.');
});
