// How much work the library does, counted and not timed, so that a slow machine changes nothing.
'use strict';
const inspector = require('node:inspector');

const session = new inspector.Session();
session.connect();

/** Asks V8 about itself; within one process the answer is there before `post` returns. */
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

/** How many blocks of the library's scripts have run since the last call: taking the counts sets them to 0. */
function blocksRun() {
  let sum = 0;
  for (const script of ask('Profiler.takePreciseCoverage').result) {
    if (!/\/Sources\/Web\/[^/]*\.js$/.test(script.url)) continue;
    for (const { ranges } of script.functions) for (const { count } of ranges) sum += count;
  }
  return sum;
}

/** The number of blocks that run during `doIt`, at least one. Every turn of every loop counts. */
function workOf(doIt) {
  blocksRun();
  doIt();
  const sum = blocksRun();
  if (sum === 0) throw new Error('no work was counted');
  return sum;
}

module.exports = { workOf };
