/** Letters of 3 x 5 pixels: five octal digits, one a row, the highest bit on the left. */
const glyphs: Readonly<Record<string, string>> = {
  ...{ A: '25755', B: '65656', C: '34443', D: '65556', E: '74647', F: '74644', G: '34553', H: '55755', I: '72227' },
  ...{ J: '11152', K: '55655', L: '44447', M: '57755', N: '65555', O: '25552', P: '65644', Q: '25563', R: '65655' },
  ...{ S: '34216', T: '72222', U: '55557', V: '55552', W: '55775', X: '55255', Y: '55222', Z: '71247', '/': '11244' },
  ...{ 0: '75557', 1: '26227', 2: '71747', 3: '71317', 4: '55711', 5: '74717', 6: '74757', 7: '71111', 8: '75757' },
  ...{ 9: '75717', '.': '00002', ':': '02020', '=': '07070', '-': '00700', ' ': '00000' },
};

/**
 * Whether a pixel belongs to the words, drawn from x = 1, y = 1 on, a line to each, 4 pixels a letter and 6 a line.
 * @throws Error for a letter that there is none of
 */
export function drawnText(lines: readonly string[]): (x: number, y: number) => boolean {
  const missing = [...lines.join('')].find((letter) => !(letter in glyphs));
  if (missing !== undefined) throw new Error(`no letter ${missing}`);
  return (x, y) => {
    const [column, row] = [x - 1, y - 1];
    const glyph = glyphs[lines[Math.floor(row / 6)]?.[Math.floor(column / 4)] ?? ' '] ?? glyphs[' ']!;
    if (column < 0 || row < 0 || column % 4 === 3 || row % 6 === 5) return false;
    return ((Number(glyph[row % 6]) >> (2 - (column % 4))) & 1) === 1;
  };
}
