// `npm run soak -- [NAME…]`: main.ts on the right Node.
import { join } from 'node:path';
import { become, ensureInstalled, findNode, root } from '../../src/cli/ensure.mjs';

ensureInstalled();
const main = join(root, 'test/soak/main.ts');
become(findNode(), ['--disable-warning=ExperimentalWarning', main, ...process.argv.slice(2)], { cwd: root });
