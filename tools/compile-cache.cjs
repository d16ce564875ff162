const { enableCompileCache } = require('node:module');
const { join } = require('node:path');

// What Node has compiled of the sources is kept for the next start. Not by a variable: `exec` would hand it on.
enableCompileCache(join(__dirname, '../node_modules/.cache/node-compile'));
