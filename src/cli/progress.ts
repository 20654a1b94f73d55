/** A line on a terminal that is written over while work goes on; nothing where standard error is no terminal. */
export interface Progress {
  show(text: string): void;
  clear(): void;
}

export function createProgress(enabled: boolean): Progress {
  const out = process.stderr;
  const on = enabled && out.isTTY === true;
  return {
    show: (text) => {
      if (on) out.write(`\r\x1b[2K${text.slice(0, (out.columns ?? 80) - 1)}`);
    },
    clear: () => {
      if (on) out.write('\r\x1b[2K');
    },
  };
}
