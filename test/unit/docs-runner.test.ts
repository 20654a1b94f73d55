import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { printed, runPage, stepsOf } from '../builders/docs-runner.ts';

/** A page of these blocks, each `words` and its lines. */
const page = (...blocks: readonly [string, ...string[]][]): string =>
  blocks
    .map(([words, ...lines]) => `\`\`\`${words}\n${lines.map((l) => `${l}\n`).join('')}\`\`\`\n`)
    .join('\nand then\n\n');

/** A command with what it prints right after it. */
const says = (words: string, command: string, ...lines: string[]): string =>
  `\`\`\`${words}\n${command}\n\`\`\`\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`;

describe('a page of the documentation', () => {
  it('whose commands print what it says passes, its files in its folder', async () => {
    const text = `${page(['yaml a/b.yaml', 'x: 1'], ['sh run', 'test -f a/b.yaml'])}${says('sh run', 'cat a/b.yaml; echo err >&2; echo out', 'x: 1', '…')}`;
    const run = await runPage(text);
    expect(run.commands).toBe(2);
    expect(existsSync(run.folder)).toBe(false);
  });

  it.each([
    ['prints something else', says('sh run', 'echo three stored', 'two stored')],
    ['prints more than it says', says('sh run', 'echo one; echo two', 'one')],
    ['prints less than it says', says('sh run', 'echo one', 'one', 'two')],
    ['fails', page(['sh run', 'exit 3'])],
    ['should fail and does not', page(['sh run exit=5', 'true'])],
    ['prints it, and fails', says('sh run', 'echo one; exit 1', 'one')],
    ['never prints it', says('sh run until=1', 'echo waiting', 'delivered')],
    ['is a server that ends before it is up', says('sh start', 'echo starting; exit 0', 'listens')],
  ])('one of whose commands %s fails, and names the line', async (_what, text) => {
    await expect(runPage(text)).rejects.toThrow(/^line 1: /);
  });

  it('repeats a command until it prints what is said', async () => {
    const text = says('sh run until=20', 'echo x >> n; wc -l < n', '3');
    await expect(runPage(text)).resolves.toMatchObject({ commands: 1 });
  });

  it('gets free ports for those it names, and the given ones for peers that are up', async () => {
    const text = page(['json a.json', '{"HttpPort": 8042}'], ['sh run', 'echo http://127.0.0.1:8470/ 18470 8042 > b']);
    const run = await runPage(text, { ports: { 8470: 7 } }, async ({ folder, port }) => {
      const file = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8').trim();
      expect(file('a.json')).toBe(`{"HttpPort": ${port(8042)}}`);
      expect(file('b')).toBe(`http://127.0.0.1:7/ 18470 ${port(8042)}`);
    });
    expect(run.port(8470)).toBe(7);
    expect(run.port(8042)).not.toBe(8042);
  });

  it('keeps a server up for the commands after it, and ends it with all that it started', async () => {
    const text = `${says('sh start', 'echo $$ > pid; echo listens; sleep 600 & wait', 'listens')}${page(['sh run', 'kill -0 $(cat pid)'])}`;
    let pid = 0;
    await runPage(text, {}, async ({ folder }) => {
      pid = Number(readFileSync(`${folder}/pid`, 'utf8'));
      expect(livingIn(pid)).not.toEqual([]);
    });
    expect(pid).toBeGreaterThan(0);
    await vi.waitFor(() => expect(livingIn(pid)).toEqual([]));
  });

  it('must say of each shell block whether it is run', () => {
    expect(() => stepsOf(page(['sh', 'rm -rf /']))).toThrow('must say run, start or elsewhere');
    expect(stepsOf(page(['sh elsewhere', 'docker run x']))).toMatchObject([{ kind: 'elsewhere', line: 1 }]);
  });
});

describe('what a page shows of an output', () => {
  it.each([
    ['a … c', 'a b c', true],
    ['a … c', 'a b\nc', false],
    ['…\nlast', 'first\nsecond\nlast', true],
    ['…\nlast', 'last', true],
    ['first\n…', 'first\n', true],
    ['a.c', 'abc', false],
    ['(x) [y] $5', '(x) [y] $5', true],
    ['one', 'one\n\n', true],
    ['one', 'once', false],
  ])('%j beside %j', (shown, output, same) => {
    expect(printed(shown, output)).toBe(same);
  });
});

/** Processes of a group that run; one that has ended stays in it until its parent, perhaps the first of all, looks at it. */
function livingIn(group: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      const [state, , of] = statOf(pid).split(' ');
      return Number(of) === group && state !== 'Z';
    });
}

/** State, parent, group and more of a process, or nothing where it has just ended (proc(5)). */
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '');
  } catch {
    return '';
  }
}
