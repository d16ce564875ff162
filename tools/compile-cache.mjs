import { enableCompileCache } from 'node:module';
import { fileURLToPath, URL } from 'node:url';

// What Node has compiled of the sources is kept for the next start. Not by a variable: `exec` would hand it on.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/node-compile', import.meta.url)));
