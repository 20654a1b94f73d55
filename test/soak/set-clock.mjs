// Preloaded into a gateway's process (NODE_OPTIONS=--import): its wall clock is as much off as the file in SOAK_CLOCK says,
// looked at when SIGUSR2 comes. What counts elapsed time (performance, timers) goes on as it was.
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.SOAK_CLOCK;
const RealDate = Date;
const realNow = Date.now;
let offset = 0;

class SetDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(realNow() + offset);
    else super(...args);
  }
  static now() {
    return realNow() + offset;
  }
}

function look() {
  offset = Number(readFileSync(file, 'utf8'));
  writeFileSync(`${file}.seen`, String(offset));
}

if (file && isMainThread) {
  globalThis.Date = SetDate;
  look();
  process.on('SIGUSR2', look);
}
