// Finds the lines of a script that never ran in V8's coverage profiles: those that node writes to the folder in
// NODE_V8_COVERAGE, or a browser's (`Profiler.takePreciseCoverage`), saved there as {"result": [...]}.
//
//     node Tests/Web/support/coverage.js FOLDER SCRIPT...
//
// prints the missed lines, and fails if there are any. A line counts as run only if every word on it has run, so a half
// of a condition that never ran is found, too.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

/** 1 for each character that ran, by one profile. Inner ranges are more exact, so they come last. */
function charactersRun(length, functions) {
  const run = new Uint8Array(length);
  const ranges = functions.flatMap((one) => one.ranges);
  ranges.sort((a, b) => (b.endOffset - b.startOffset) - (a.endOffset - a.startOffset));
  for (const { startOffset, endOffset, count } of ranges) run.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return run;
}

/** The lines with code that never ran, as `resumable.js:12: if (never) {`. */
function missedLines(folder, script) {
  const name = path.basename(script);
  const source = fs.readFileSync(script, 'utf8');
  const run = new Uint8Array(source.length);
  for (const profile of fs.readdirSync(folder).filter((one) => one.endsWith('.json'))) {
    const { result } = JSON.parse(fs.readFileSync(path.join(folder, profile), 'utf8'));
    for (const { url, functions } of result) {
      if (path.posix.basename(url) !== name) continue;
      charactersRun(source.length, functions).forEach((one, at) => { run[at] |= one; });
    }
  }
  const missed = [];
  let start = 0;
  source.split('\n').forEach((line, index) => {
    const isComment = /^\s*(\/\/|\/\*|\*)/.test(line);
    // Only words count, because the end of a block may follow its `return`.
    const words = isComment ? [] : [...line.matchAll(/\w+/g)];
    if (words.some((word) => run[start + word.index] === 0)) missed.push(`${name}:${index + 1}: ${line.trim()}`);
    start += line.length + 1;
  });
  return missed;
}

module.exports = { missedLines };

if (require.main === module) {
  const [folder, ...scripts] = process.argv.slice(2);
  if (scripts.length === 0) {
    console.error('usage: coverage.js FOLDER SCRIPT...');
    process.exit(2);
  }
  const missed = scripts.flatMap((script) => missedLines(folder, script));
  for (const line of missed) console.log(line);
  console.log(`${missed.length} lines missed in ${scripts.map((one) => path.basename(one)).join(', ')}`);
  process.exit(missed.length > 0 ? 1 : 0);
}
