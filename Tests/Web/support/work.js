// Counts the work of the library instead of its time, so that a slow machine does not change the result.
'use strict';
const inspector = require('node:inspector');
const v8 = require('node:v8');

// Optimised code does not count the calls of functions that were inlined into it.
v8.setFlagsFromString('--no-turbo-inlining');

const session = new inspector.Session();
session.connect();

/** Asks V8's inspector. Within one process the answer arrives before `post` returns. */
function ask(method, parameters) {
  let answer;
  session.post(method, parameters, (error, result) => {
    if (error) throw new Error(error.message);
    answer = result;
  });
  return answer;
}

ask('Profiler.enable');
ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** The number of blocks of the library that have run since the last call, which resets the counters. */
function blocksRun() {
  let sum = 0;
  for (const script of ask('Profiler.takePreciseCoverage').result) {
    if (!/\/Sources\/Web\/[^/]*\.js$/.test(script.url)) continue;
    for (const { ranges } of script.functions) for (const { count } of ranges) sum += count;
  }
  return sum;
}

/** The number of blocks that run during `doIt`, at least one. Each iteration of a loop counts. */
function workOf(doIt) {
  blocksRun();
  doIt();
  const sum = blocksRun();
  if (sum === 0) throw new Error('no work was counted');
  return sum;
}

module.exports = { workOf };
