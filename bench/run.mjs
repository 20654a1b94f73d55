// `npm run bench -- NAME`: one bench on the right Node. Names below; what follows a name is its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { become, ensureInstalled, findNode, root } from '../src/cli/ensure.mjs';

const names = [
  'stow', 'dicomweb', 'ack', 'dimse', 'associations', 'hl7', 'seg', 'inference', 'way', 'hostile', 'syntaxes', 'mutations',
]; // prettier-ignore
const [name, ...rest] = process.argv.slice(2);
if (!names.includes(name) || !existsSync(join(root, 'bench', `${name}.ts`))) {
  process.stderr.write(`npm run bench -- NAME, where NAME is one of: ${names.join(', ')}\n`);
  process.exit(2);
}
ensureInstalled();
become(findNode(), ['--disable-warning=ExperimentalWarning', join(root, 'bench', `${name}.ts`), ...rest], {
  cwd: root,
});
